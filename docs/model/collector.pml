/* The collector: one cycle after another. */

#ifdef RUNBULK                          /* allocated := marked, so a mark without an object is a leak; all runs were given up */
#define SWEEPCHK assert(used[x] || !mark[x]); assert(!INRUN(x))
#else
#define SWEEPCHK skip
#endif
#if defined(POISON) && !defined(PN_FREE)   /* PN_FREE: the sweep trusts the marks all the same */
#define SWEEPFREE(x) if :: poisoned -> swept[x] = 1 :: else -> FREE(x) fi
#else
#define SWEEPFREE(x) FREE(x)
#endif
#ifdef POISON                           /* the gate stayed open, so an upgrade may have queued an object that stays */
#define STALE panicked
#else
#define STALE false
#endif
#if defined(POISON) && !defined(PN_FLAG)   /* PN_FLAG: boxes are flagged all the same */
#define FLAGOK && !poisoned
#else
#define FLAGOK
#endif
#ifdef MK2
#define MIDLE true
#else
#define MIDLE IDLE
#endif
#ifdef FRESH
#define NOTFRESH && (x < NOBJ || !swept[x] && !fresh)
#else
#define NOTFRESH
#endif
#ifdef WEAKNEW                          /* box by box: read the target; test its mark and set the flag */
#define DEADPASS do \
     :: atomic { w < NW && bx[w] == 1 && !bdead[w] -> x = bt[w] }; \
        atomic { if :: !mark[x] -> reach(s); assert(!(s & BIT(bt[w]))); s = 0; bdead[w] = 1 :: else fi; x = 0; w++ } \
     :: atomic { w < NW && !(bx[w] == 1 && !bdead[w]) -> w++ } \
     :: atomic { w == NW -> w = 0; break } \
     od;
#endif
#include "ext-collector.pml"
proctype Coll() {
  byte i, j, x, s, k, t;
#ifdef RUNBULK
  byte g;
#endif
#ifdef KEEP
  bit kn;
#endif
#if defined(WEAKNEW) || defined(EPH)
  byte w;
#endif
#ifdef EPH
  bit found, passed;
#endif
#ifdef ROUND_EARLY
  bit given;
#endif
#ifdef LAZY
  byte b;
#endif
  do
  :: cyc < NCYC ->
     atomic {                                                    /* S4; ghost garbage set; start of Prep */
#ifndef NOS4
       i = 1; do :: i <= NOBJ -> assert(!mark[i]); i++ :: else -> break od; i = 0;
#endif
       assert(STALE || IDLE && !INHAND);
#ifdef PRECISE
       reach(s); garb = 0;
       i = 1; do :: i <= NOBJ -> if :: used[i] && !(s & BIT(i)) -> garb = garb | BIT(i) :: else fi; i++ :: else -> break od;
       i = 0; s = 0;
#endif
#ifndef M_I
       epoch = cyc*16 + 1
#endif
     };
#ifndef M_I
#ifdef M_PREPPOP                                                 /* mutation: pops and scans before Prep is complete */
     do
     MARKING
     :: atomic { t < NT && CROSSED(t) -> t++ }
     :: atomic { t == NT -> t = 0; break }
     od;
#else
     CROSSED(0); CROSSED(1);
#endif
#ifdef M_FREEROOTS_IN_MARK
     epoch = cyc*16 + 3;                                         /* mutation: flagged roots freed too late */
#endif
     do :: atomic { i < NROOT -> if :: rs[i] == 2 -> rs[i] = 0; rv[i] = 0 :: else fi; i++ }
        :: atomic { i == NROOT -> i = 0; break } od;
#ifdef R_PREP2
     HANDSHAKE(cyc*16 + 2);
#endif
#endif
     atomic {
       i = 1; do :: i <= NOBJ -> swept[i] = 0; i++ :: else -> break od; i = 0;
#ifdef LAZY
       i = 1; do :: i <= NOBJ -> claim[i] = 0; i++ :: else -> break od; i = 0;
#endif
#ifdef R_TRACE2
       epoch = cyc*16 + 2
#elif !defined(NOMARK)
       epoch = cyc*16 + 3
#endif
     };
#if defined(MK2) || defined(ASSIST)
     parked = 0;
#endif
     do :: atomic { i < NROOT -> if :: rs[i] -> greyit(rv[i]) :: else fi; i++ }   /* scan the root table */
        :: atomic { i == NROOT -> i = 0; break } od;
#ifdef FIN
     atomic { s = rdy; if :: (s & 2) -> greyit(1) :: else fi; if :: (s & 4) -> greyit(2) :: else fi;
#if NOBJ > 2
              if :: (s & 8) -> greyit(3) :: else fi;
#endif
              s = 0 };
#endif
     do
     MARKING
#ifdef M_B
     :: atomic { IDLE -> break }
#else
     :: atomic { t < NT && CROSSED(t) -> t++ }
     :: atomic { t == NT && MIDLE -> t = 0; break }
#endif
     od;
#ifdef R_TRACE2
     epoch = cyc*16 + 3;
     do
     MARKING
     :: atomic { t < NT && CROSSED(t) -> t++ }
     :: atomic { t == NT && IDLE -> t = 0; break }
     od;
#endif
#ifndef M_D
     k = 4;
again:                                                           /* termination rounds */
#ifdef MK2
     parked = 0;
     atomic { IDLE && !nact -> skip };
#ifndef MK_NOPARK
     parked = 1;
#endif
     !nact;
     if :: gray -> goto again :: else fi;
     dirty[0] = 0;
#elif defined(ASSIST)
     parked = 0;
     do
     MARKING
     :: atomic { IDLE -> break }
     od;
#ifdef EM_BEFORE                                                 /* mutation: the pass before the record, while others mark */
     EPHPASS
     if :: found -> found = 0; goto again :: else fi;
#endif
#ifndef AS_NOPARK                                                /* mutation: assists may start during a round */
     parked = 1;
#endif
     !nact;
     dirty[0] = 0;
#else
     do
     MARKING
     :: atomic { IDLE -> dirty[0] = 0; break }                   /* record the counters ... */
     od;
#endif
     dirty[1] = 0;
#ifdef ASSIST
     if :: gray -> goto again :: else fi;
#endif
     if :: q[0] -> goto again :: else fi;                        /* ... then look at the queues */
     if :: q[1] -> goto again :: else fi;
#if defined(EPH) && !defined(EM_BEFORE)                          /* ... then at the ephemerons: counters, queues, pass, round */
#ifdef EM_ONCE                                                   /* mutation: one pass in a cycle */
     if :: !passed -> passed = 1; EPHPASS :: else fi;
#else
     EPHPASS
#endif
     if :: found -> found = 0; goto again :: else fi;
#endif
     atomic { assert(k < 12); epoch = cyc*16 + k; k++ };
#if defined(ROUND_EARLY)                                         /* given up as soon as something is shaded */
     do
#ifdef RE_STANDS                                                 /* mutation: the one given up counts as a crossing */
     :: atomic { given -> given = 0; t = 0; break }
#endif
     :: atomic { t < NT && CROSSED(t) -> t++ }
     :: atomic { t < NT && !CROSSED(t) && (dirty[0] || dirty[1]) -> t = 0;
#ifdef RE_STANDS
          given = 1;
#endif
          goto again }
     :: atomic { t == NT -> t = 0; break }
     od;
#elif !defined(M_TERMNOWAIT)
     CROSSED(0); CROSSED(1);
#endif
     if :: dirty[0] || q[0] -> goto again :: else fi;
     if :: dirty[1] || q[1] -> goto again :: else fi;
#ifdef ASSIST
     if :: gray -> goto again :: else fi;
     parked = 1;
#endif
#ifdef FN_NOGATE                                                 /* mutation: what is unmarked is looked for outside of the gate */
     FINALIZE(skip);
#endif
#ifdef MK_RECHECK                                                /* (with MK_NOPARK) look at the markers once more at the end */
     if :: nact -> goto again :: else fi;
     if :: gray -> goto again :: else fi;
#endif
#ifdef MK2
     parked = 1;
#endif
#ifdef WM_B                                                       /* mutation: the pass runs before the gate closes */
     DEADPASS
#endif
#ifdef GATE
#ifdef W_NOGATE
     resolved = 1;
#else
#ifdef POISON                                                    /* nothing dies: the gate stays open */
     if
     :: atomic { poisoned -> skip }
     :: atomic { !poisoned && readers == 0 -> wlock = 1 };
#else
     atomic { readers == 0 -> wlock = 1 };
#endif
#ifdef FIN
     if :: atomic { (dirty[0] || dirty[1] || q[0] || q[1]) -> wlock = 0; goto again } :: else fi;
#ifndef FN_NOGATE
     FINALIZE(wlock = 0);
#endif
#endif
     if :: atomic { (dirty[0] || dirty[1] || q[0] || q[1]) -> wlock = 0; goto again }
        :: else -> atomic { resolved = 1; wlock = 0 } fi;
#ifdef POISON
     fi;
#endif
#endif
#endif
#endif
#if defined(WEAKNEW) && !defined(WM_B) && !defined(WM_C)
     DEADPASS
#endif
#ifdef EF_FIRST                                                   /* mutation: freed before the flags are set */
     x = 1;
     do
     :: atomic { x <= NOBJ && used[x] && !mark[x] -> FREE(x); x++ }
     :: atomic { x <= NOBJ -> x++ }
     :: atomic { x > NOBJ -> x = 0; break }
     od;
#endif
#if defined(R_WCLEAR) && defined(WEAK)
     if :: atomic { wt && !mark[wt] && !wdead FLAGOK -> reach(s); assert(!(s & BIT(wt))); s = 0; wdead = 1 } :: else fi;    /* clear dead weak slots before Sweep */
#endif
#if defined(EPH) && !defined(EM_LATEFLAG)
     EPHFLAG
#endif
#if defined(EARLYFREE) && !defined(EF_NOSETTLE) && defined(GATE)   /* EF_NOSETTLE: upgrades that have begun are not waited for */
     atomic { readers == 0 -> skip };
#endif
     atomic { dirty[0] = 0; dirty[1] = 0; k = 0; epoch = cyc*16 + 12 };
#ifdef LS_EARLY                                                   /* mutation: the sweep opens before all have crossed */
     open = 1;
#endif
#ifdef EM_LATEFLAG                                                /* mutation: flags after Sweep is set */
     EPHFLAG
#endif
#ifdef WM_C                                                       /* mutation: the pass runs after Sweep is set */
     DEADPASS
#endif
#if defined(RUNBULK) && !defined(RM_B)
#ifdef RB_FAST
     do
     :: atomic { t < NT && CROSSED(t) && !tl[t] -> tl[t] = 1 };
        if
#ifdef RF_NOSEEN                                                 /* mutation: takes back from a thread that has crossed already */
        :: atomic { pub[t] == UNPINNED -> skip }; giveup(t); atomic { tl[t] = 0; t++ }
        :: atomic { pub[t] != UNPINNED && CROSSED(t) -> tl[t] = 0; t++ }
#else
        :: atomic { pub[t] == UNPINNED && seen[t] != epoch -> skip }; giveup(t); seen[t] = epoch; atomic { tl[t] = 0; t++ }
        :: atomic { !(pub[t] == UNPINNED && seen[t] != epoch) && CROSSED(t) -> tl[t] = 0; t++ }
#endif
        :: atomic { !CROSSED(t) -> tl[t] = 0 }
        fi
     :: atomic { t == NT -> t = 0; break }
     od;
#else
     do                                                          /* Sweep handshake, taking back the runs of unpinned threads */
#ifdef RM_C                                                      /* mutation: without locking the published word */
     :: atomic { t < NT && pub[t] == UNPINNED -> skip }; giveup(t); t++
#elif defined(RM_C2)                                             /* mutation: not taken back at all (left to the owner) */
     :: atomic { t < NT && pub[t] == UNPINNED -> t++ }
#else
     :: atomic { t < NT && pub[t] == UNPINNED -> pub[t] = LOCKED }; giveup(t); atomic { pub[t] = UNPINNED; t++ }
#endif
     :: atomic { t < NT && pub[t] != UNPINNED && CROSSED(t) -> t++ }
     :: atomic { t == NT -> t = 0; break }
     od;
#endif
#elif defined(EARLYFREE)                                          /* some of what is dead is freed while the crossing lasts */
     x = 1;
     do
     :: atomic { x <= NOBJ && used[x] && !mark[x] && !swept[x] -> FREE(x); x++ }
     :: atomic { x <= NOBJ -> x++ }
     :: atomic { t < NT && CROSSED(t) -> t++ }
     :: atomic { t == NT -> t = 0; x = 0; break }
     od;
#elif !defined(M_C)
     CROSSED(0); CROSSED(1);
#endif
#ifdef LAZY
     open = 1;
     x = 1;
     do
     :: atomic { x <= NOBJ && claim[x] -> x++ }                  /* a mutator has it */
     :: atomic { x <= NOBJ && !claim[x] -> claim[x] = 1 }; atomic { b = mark[x]; mark[x] = 0 }; atomic { SWEEPONE(x, b); b = 0; x++ }
     :: atomic { x > NOBJ -> x = 0; break }
     od;
#ifdef LS_NOCLOSE                                                 /* mutation: does not wait for whoever still sweeps */
     open = 0;
#else
     atomic { nsw == 0 -> open = 0 };
#endif
#else
     x = 1;
     do
#ifdef FRESH
     :: atomic { x == NOBJ && swept[x] -> assert(!mark[x]); x = 0; break }   /* a span that was taken fresh in this Sweep */
     :: atomic { x == NOBJ && !swept[x] && fresh -> x = 0; break }
#endif
#ifdef EARLYFREE                                                  /* taken by a thread in Sweep after it was freed early */
     :: atomic { x <= NOBJ && used[x] && !mark[x] && swept[x] -> x++ }
     :: atomic { x <= NOBJ && used[x] && !mark[x] && !swept[x] NOTFRESH -> SWEEPFREE(x); x++ }
#else
     :: atomic { x <= NOBJ && used[x] && !mark[x] NOTFRESH -> SWEEPFREE(x); x++ }
#endif
     :: atomic { x <= NOBJ && mark[x] NOTFRESH -> SWEEPCHK; swept[x] = 1 }; atomic { mark[x] = 0; UNSCAN(x) x++ }
     :: atomic { x <= NOBJ && !used[x] && !mark[x] NOTFRESH -> SWEEPCHK; UNSCAN(x) swept[x] = 1;
#ifdef RUN
          resv[x] = 0;                                           /* unallocated rest of an old run: free again */
#endif
          x++ }
     :: atomic { x > NOBJ -> x = 0; break }
     od;
#endif
     atomic {                                                    /* S4 again, so that one cycle suffices */
#ifndef NOS4                                                      /* (off, to see what marks left over lead to) */
       i = 1; do :: i <= NOBJ -> assert(!mark[i]); i++ :: else -> break od; i = 0;
#endif
       assert(STALE || IDLE && !INHAND);                         /* all are in Sweep: nothing grey is left or to come */
#ifdef PRECISE
       assert(garb == 0);
#endif
#ifdef GATE
       resolved = 0;
#endif
#ifdef POISON
       poisoned = 0;
#endif
#ifdef EM_ONCE
       passed = 0;
#endif
#ifdef ROUND_EARLY
       given = 0;
#endif
#ifdef WEAKNEW
       i = 0; do :: i < NW -> if :: bx[i] == 9 -> bx[i] = 0; bt[i] = 0; bdead[i] = 0; bnone[i] = 0 :: else fi; i++ :: else -> break od; i = 0;
#endif
       cyc++; epoch = cyc*16 }
  :: else -> break
  od;
#ifdef REACH
  assert(!nfreed)                                                /* expected to FAIL: garbage does get freed */
#endif
}
