/* State shared by all processes, and the ghosts that the checks read. */
#ifndef NOBJ
#define NOBJ 3
#endif
#ifndef NROOT
#define NROOT 1
#endif
#ifndef NCYC
#define NCYC 2
#endif
#ifndef OPS
#define OPS 6                           /* total heap operations of both mutators; pins are unbounded */
#endif
#define NT 2
#define UNPINNED 255

/* epoch = cycle*16 + seq; seq: 0 Off, 1 Prep, 2 Prep2 (a repair), 3 Mark, 4..11 Term k, 12 Sweep */
#define OFF   0
#define PREP  1
#define MARK  2                         /* Mark and Term behave alike */
#define SWEEP 3
#define MODE(e) ((((e)&15)==0) -> OFF : ((((e)&15)<=2) -> PREP : ((((e)&15)<12) -> MARK : SWEEP)))

byte epoch;
byte pub[NT] = UNPINNED;
bit  used[NOBJ+2], mark[NOBJ+1], swept[NOBJ+1];   /* object 0 is null */
byte f[NOBJ+2];                         /* F2: f[NOBJ+1] is a second field of object 1 */
byte rs[NROOT], rv[NROOT];              /* root slots: 0 free, 1 live, 2 dropped (flagged); value */
byte l0[NT], l1[NT];                    /* mutator locals; a load shifts l0 into l1 */
byte q[NT];                             /* mutator grey queues (sets) */
#ifdef LATE
byte late[NT];                          /* what a pin has overwritten in Mark and not shaded yet (sets) */
#define LATES | late[0] | late[1]
#else
#define LATES
#endif
bit  dirty[NT];                         /* push counter differs from the collector's record */
byte gray;                              /* the collector's private queue */
#ifdef NEAR
byte noted, unsettled;                  /* in its hands, too: pointed to; scanned and not marked yet */
#define NEARBITS | noted | unsettled
#else
#define NEARBITS
#endif
#ifdef SCANS                            /* a bit for what is scanned or need not be; it outlives the mark of a slot that is given up */
bit scanned[NOBJ+1];
#define UNSCAN(x) scanned[x] = 0;
#else
#define UNSCAN(x)
#endif
byte ops = OPS;
byte cyc, garb; bit nfreed;             /* ghosts: garbage at cycle start; anything ever freed */
#ifdef WEAK
byte wt; bit wdead, wnone;              /* weak slot: target, dead flag; ghost: None was returned */
#endif
#define BIT(p) (1<<(p))
#ifdef CELL                             /* object 1 is a guarded cell (F2: holding two pointers) */
byte cx;                                /* 0 free, id+1 exclusively borrowed by mutator id, 3 leaked guard */
bit  cs;                                /* the marker's shared lock */
byte crec;                              /* the cycle (+1) recorded in the cell */
#define CMINE  (cx == id+1)
#define CREAD(o) && (o != 1 || !cx || CMINE)             /* a shared borrow, or a read through the guard: one step */
#ifdef KEEP                             /* a pin in Prep keeps the cell: shaded once, and once more before the unpin */
byte kt;                                /* the keeper (+1); in the code the same word as crec */
bit  kk, kc;                            /* nobody else has been in since it was shaded; it may hold what is not shaded */
bit  ks;                                /* the keeper's scan before its unpin */
#define NOTED (kk || kc)
#ifdef KP_SEEN                          /* mutation: another's shared borrow leaves no trace */
#define SEENBY
#else                                   /* another may copy what is not shaded, or change cells inside: the keeper is not alone */
#define SEENBY kc = kc || kk && kt != id+1; kk = kk && kt == id+1;
#endif
#else
#define NOTED 0
#define SEENBY
#endif
#else
#define CREAD(o)
#endif
#ifdef RUNBULK                          /* runs of up to 2 slots, marked in bulk when taken in Mark or Term */
#define LOCKED 254
byte rn[NT], rtag[NT]; bit rb[NT];      /* unallocated rest of the run; sweeps begun when taken; marked in bulk */
#ifdef FRESH
bit fresh = 1;
#endif
#ifdef RB_FAST                          /* pin = plain store and re-check; a lock word only at the first pin in an epoch */
byte seen[NT]; bit tl[NT];              /* epoch for which the thread's runs are right; lock */
#endif
#define TAG(e) ((e>>4) + ((e&15)==12))
#define INRUN(o) ((rn[0] | rn[1]) & BIT(o))
#endif
#ifdef WEAKNEW                          /* weak boxes made at run time (a table of NW; any mutator can use any box) */
#ifndef NW
#define NW 1
#endif
byte bt[NW], bx[NW]; bit bdead[NW], bnone[NW];   /* target; 0 free, 1 exists, 2+id exists but not yet in the table, 9 dropped */
#endif

#include "ext-state.pml"

/* ---- what the checks ask: reachability, and what is done to an object that dies */
#ifdef CELL                             /* the content of a cell whose guard was leaked cannot be reached */
#define LEAKED && (i != 1 || cx != 3)
#else
#define LEAKED
#endif
inline reach(s) {                       /* ghost: what locals and live roots reach */
  s = BIT(l0[0]) | BIT(l1[0]) | BIT(l0[1]) | BIT(l1[1]);
#ifdef CELL
  if :: cx == 1 || cx == 2 -> s = s | 2 :: else fi;      /* a guard is a local, too */
#endif
  i = 0; do :: i < NROOT -> if :: rs[i]==1 -> s = s | BIT(rv[i]) :: else fi; i++ :: else -> break od;
#ifdef FIN
  s = s | rdy;
#endif
  j = 0;
  do :: j < NOBJ ->
        i = 1; do :: i <= NOBJ -> if :: (s & BIT(i)) LEAKED -> s = s | BIT(f[i]) :: else fi; i++ :: else -> break od;
#ifdef F2
        i = 1; if :: (s & BIT(1)) LEAKED -> s = s | BIT(f[NOBJ+1]) :: else fi;
#endif
#ifdef EPH
        i = 0;
        do
        :: i < NE -> if :: eb[i] && !edead[i] && (s & BIT(eb[i])) && (s & BIT(ek[i])) -> s = s | BIT(ev[i]) :: else fi; i++
        :: else -> break
        od;
#endif
        j++
     :: else -> break
  od;
  i = 0; j = 0; s = s & 254
}

#ifdef WEAK
#define WDIE(x) if :: wt == x -> wdead = 1 :: else fi
#elif defined(WEAKNEW)                  /* flagged before the slot can be reused */
#define BX(w) (bx[w] >= 1 && bx[w] <= 3)
#define DIES(w) assert(!(BX(w) && bt[w] == x && !bdead[w]))
#if NW > 1
#define WDIE(x) DIES(0); DIES(1)
#else
#define WDIE(x) DIES(0)
#endif
#elif defined(KEEP)
#define WDIE(x) if :: x == 1 -> assert(cx != 1 && cx != 2 && !cs && !ks); cx = 0; crec = 0; kt = 0; kk = 0; kc = 0 :: else fi
#elif defined(CELL)
#define WDIE(x) if :: x == 1 -> assert(cx != 1 && cx != 2 && !cs); cx = 0; crec = 0 :: else fi
#elif defined(EPH)                      /* a box that stays has its flag before its key dies */
#define EDIES(w,x) if :: eb[w] == x -> eb[w] = 0; ek[w] = 0; ev[w] = 0; edead[w] = 0; enone[w] = 0 \
                   :: else -> assert(!(eb[w] && ek[w] == x && !edead[w])) fi
#if NE > 1
#define WDIE(x) EDIES(0,x); EDIES(1,x)
#else
#define WDIE(x) EDIES(0,x)
#endif
#else
#define WDIE(x) skip
#endif
inline FREE(x) {
  reach(s); assert(!(s & BIT(x)));                               /* S1, S2: no local or root reaches x */
  assert(!((q[0] | q[1] | gray | INHAND LATES NEARBITS) & BIT(x)));       /* S3 */
#ifdef FIN
  assert(fr != x);                                               /* nothing that is registered dies */
#endif
  s = 0; nfreed = 1; garb = garb & ~BIT(x); UNSCAN(x)
  WDIE(x); f[x] = 0; used[x] = 0; swept[x] = 1; f[NOBJ+1] = (x == 1 -> 0 : f[NOBJ+1])
}
