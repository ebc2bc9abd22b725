/* What a mutator does: barrier, allocation, runs, weak boxes (macros and inlines). */
#ifdef KEEP
#define SEEN(o) if :: o == 1 -> SEENBY skip :: else fi;
#else
#define SEEN(o)
#endif
#ifdef KLEAN
#define DROPS && 0
#define SLIM && id                      /* mutator 0 only borrows and writes, in one pin */
#define MAYNOT
#else
#define DROPS
#define SLIM
#define MAYNOT :: true
#endif
#define LOAD(v) n = v; if :: n != l0[id] -> l1[id] = l0[id]; l0[id] = n :: else fi; n = 0
#ifdef OPS0                             /* of which mutator 0 may do at most OPS0 */
byte ops0 = OPS0;
#define OP      (ops > 0 && (id || ops0))
#define GO      ops--; ops0 = (id -> ops0 : ops0 - 1)
#else
#define OP      ops > 0
#define GO      ops--
#endif
#ifdef LIVE
#define PINOK   true                    /* pin and unpin for ever */
#else
#define PINOK   OP
#endif

#if (defined(FRESH) || defined(EARLYFREE)) && !defined(RM_H)    /* an object in a span that is ahead of this pin counts as marked (RM_H: it does not) */
#define AHEAD(p) || m == MARK && swept[p]
#else
#define AHEAD(p)
#endif
#ifdef LEAFCOUNT
#define LEAFSHADE dirty[id] = 1
#else
#define LEAFSHADE skip
#endif
#ifdef COUNTAFTER                       /* mutation: a shade counts only when it pushes */
#define COUNTFIRST(p) skip
#elif defined(LEAFKEY)
#define COUNTFIRST(p) if :: LEAF(p) -> LEAFSHADE :: else -> dirty[id] = 1 fi
#else
#define COUNTFIRST(p) dirty[id] = 1
#endif
inline shade(p) {                       /* count; then CAS the bit; then push (and count): three steps */
  if
  :: atomic { (p == 0 || mark[p] AHEAD(p)) -> skip }
  :: atomic { (p != 0 && !(mark[p] AHEAD(p))) -> COUNTFIRST(p) };
     if
     :: atomic { (mark[p]) -> skip }    /* another was faster */
     :: atomic { (!mark[p]) -> assert(used[p]); mark[p] = 1 };
#ifdef LEAFKEY
        if :: atomic { LEAF(p) -> LEAFSHADE } :: atomic { !LEAF(p) -> assert(used[p]); q[id] = q[id] | BIT(p); dirty[id] = 1 } fi
#else
        atomic { assert(used[p]); q[id] = q[id] | BIT(p); dirty[id] = 1 }
#endif
     fi
  fi
}

#ifdef LATE                             /* one of what is noted, in whatever order */
#define LATEOF(p) :: late[id] & BIT(p) -> v = p
#if NOBJ > 3
#define LATEANY if LATEOF(1) LATEOF(2) LATEOF(3) LATEOF(4) fi
#elif NOBJ > 2
#define LATEANY if LATEOF(1) LATEOF(2) LATEOF(3) fi
#else
#define LATEANY if LATEOF(1) LATEOF(2) fi
#endif
#define LATESHADE atomic { late[id] -> LATEANY }; shade(v); atomic { late[id] = late[id] & ~BIT(v); v = 0 }
#endif

#if defined(INSERTION) || defined(HYBALL) 
#define SHADENEW (m == PREP || m == MARK)
#elif defined(M_A) || defined(M_A1)
#define SHADENEW (0)
#else
#define SHADENEW (m == PREP)
#endif
#if defined(M_A1)                       /* M_A1: no new-value shade on stores only; M_A2: on root creation only */
#define SHADEROOT (m == PREP)
#elif defined(M_A2)
#define SHADEROOT (0)
#else
#define SHADEROOT SHADENEW
#endif
#if defined(M_E) || defined(INSWHITE) || defined(HYBWHITE)
#define BLACK (0)
#elif defined(M_F)
#define BLACK (m == PREP || m == MARK)
#else
#define BLACK (m == MARK)
#endif
#ifdef M_G
#define DROP(r) rs[r] = 0; rv[r] = 0
#else
#define DROP(r) rs[r] = 2
#endif
#define SHADEOLD 1
#ifdef INSERTION
#undef SHADEOLD
#define SHADEOLD 0
#endif

#ifdef EARLYFREE                        /* what was freed early and is taken by a thread in Mark is for the sweep again */
#define BEHIND(o) swept[o] = (m == MARK -> 0 : swept[o]);
#else
#define BEHIND(o)
#endif
#define TAKE(o) :: (!used[o] && (m != SWEEP || swept[o])) -> used[o] = 1; BEHIND(o) mark[o] = BLACK; f[o] = (LEAF(o) -> 0 : v); LOAD(o)
#ifdef RUNBULK
#ifdef FRESH                            /* slot NOBJ lies in a fresh span: first taken in Sweep, it counts as swept */
#ifdef RM_G                             /* mutation: a thread still in Mark takes a span that counts as swept already */
#define NOTAHEAD(o)
#else
#define NOTAHEAD(o) && (m != MARK || !swept[o])
#endif
#define FREESLOT(o) (!used[o] && !INRUN(o) && (m != SWEEP || swept[o] || o == NOBJ && fresh) NOTAHEAD(o))
#define UNFRESH if :: fresh && (rn[id] & BIT(NOBJ)) -> fresh = 0; swept[NOBJ] = (m == SWEEP || swept[NOBJ]) :: else fi;
#else
#define FREESLOT(o) (!used[o] && !INRUN(o) && (m != SWEEP || swept[o]))
#define UNFRESH
#endif
#define RUN1(o) :: FREESLOT(o) -> rn[id] = BIT(o)
#ifdef SHARE                            /* one slot of a span that others take slots of, too */
#define RUN2(o)
#else
#define RUN2(o) :: FREESLOT(o) && FREESLOT((o+1)) -> rn[id] = BIT(o) | BIT(o+1)
#endif
#ifdef SH_ALL                           /* mutation: all free slots of the span are entered as scanned */
#define SHFREE(o) || FREESLOT(o)
#else
#define SHFREE(o)
#endif
#define FIRST(r) ((r & 2) -> 1 : ((r & 4) -> 2 : ((r & 8) -> 3 : 4)))
#define UNMARK1(t,o) assert(!(rn[t] & BIT(o)) || !used[o]); mark[o] = mark[o] && !(rn[t] & BIT(o))
#ifdef SCANS
#define MARK1(t,o) scanned[o] = scanned[o] || (rn[t] & BIT(o)) SHFREE(o); mark[o] = mark[o] || (rn[t] & BIT(o))
#else
#define MARK1(t,o) mark[o] = mark[o] || (rn[t] & BIT(o))
#endif
#if defined(SCANS) && !defined(SC_GIVE) /* SC_GIVE: a thread gives up in Mark what it has marked */
#define MAYGIVE && !rb[id]
#else
#define MAYGIVE
#endif
#if NOBJ == 2
#define EACH(X,t) X(t,1); X(t,2)
#elif NOBJ == 3
#define EACH(X,t) X(t,1); X(t,2); X(t,3)
#else
#define EACH(X,t) X(t,1); X(t,2); X(t,3); X(t,4)
#endif
inline giveup(t) {                      /* unmark the unallocated rest, then let go of it */
#ifdef RM_F                             /* mutation: the other way round */
  atomic { g = rn[t]; rn[t] = 0; rb[t] = 0; rtag[t] = 0 };
  atomic { i = 1; do :: i <= NOBJ -> mark[i] = mark[i] && !(g & BIT(i)); i++ :: else -> break od; i = 0; g = 0 }
#else
#ifndef RM_A                            /* mutation: rest not unmarked */
  if :: atomic { rb[t] -> EACH(UNMARK1,t); rb[t] = 0 } :: atomic { !rb[t] -> skip } fi;
#endif
  atomic { rn[t] = 0; rb[t] = 0; rtag[t] = 0 }
#endif
}
#ifdef RM_B                             /* mutation: a run is kept over the Sweep crossing */
#define NEEDGIVE(e) (rn[id] && MODE(e) == MARK && !rb[id])
#elif defined(RM_E)                     /* mutation: a run from before Mark is kept in Mark */
#define NEEDGIVE(e) (rn[id] && rtag[id] != TAG(e))
#else
#define NEEDGIVE(e) (rn[id] && (MODE(e) == MARK && !rb[id] || rtag[id] != TAG(e)))
#endif
#endif
#ifdef CELL
#undef TAKE
#define TAKE(o) :: (!used[o] && (m != SWEEP || swept[o])) -> assert(o != 1 || !cx && !crec); \
                   used[o] = 1; mark[o] = BLACK; f[o] = v; LOAD(o)
#define CYC1 ((pub[id]>>4) + 1)
#ifdef KEEP
#define KLOCKED || ks
#define CHANGED chg = 1;
#define FREEOP skip                     /* borrows are not counted as operations: what is written is */
#ifdef KP_OTHER                         /* mutation: another's exclusive borrow leaves the mark that the keeper is alone */
#define TAKEOVER skip
#elif defined(KP_TRUST)                 /* mutation: what is kept counts as shaded for a borrow in Mark */
#define TAKEOVER crec = (m == MARK -> CYC1 : 0); kk = 0; kc = 0; kt = 0
#else                                   /* whoever else borrows takes it for a cell that nobody has shaded */
#define TAKEOVER crec = 0; kk = 0; kc = 0; kt = 0
#endif
#define ENTER if :: kk && kt == id+1 -> mine = 1 :: NOTED && !(kk && kt == id+1) -> TAKEOVER :: else -> skip fi
#else
#define KLOCKED
#define CHANGED
#define FREEOP GO
#define ENTER skip
#endif
inline shadecell() {                    /* under the exclusive lock: all that the cell holds */
  shade(f[1])
#ifdef F2
  ; shade(f[NOBJ+1])
#endif
}
#endif
#ifdef RUN
byte rn[NT], runtag[NT]; bit resv[NOBJ+1];
#define TAG(e) ((e>>4) + ((e&15)==12))
#define RESERVE(o) :: (!used[o] && !resv[o] && (m != SWEEP || swept[o])) -> resv[o] = 1; rn[id] = o; runtag[id] = TAG(pub[id])
#endif
#define MKROOT(r) :: (rs[r] == 0) -> rs[r] = 1; rv[r] = v
#define STOREOK (l0[id] || l1[id])
#if defined(CELL) || defined(LEAFKEY)                             /* no pointer store into the cell but through a guard */
#define NC(x) (x > 1)
#undef STOREOK
#ifdef KLEAN                            /* few other operations: a smaller search for what only concerns cells that are kept */
#define STOREOK 0
#else
#define STOREOK (NC(l0[id]) || NC(l1[id]))
#endif
#define OPERANDS if :: l0[id] && NC(l1[id]) -> d = l1[id]; v = l0[id] :: NC(l0[id]) && l1[id] -> d = l0[id]; v = l1[id] \
                    :: NC(l0[id]) -> d = l0[id] :: NC(l1[id]) -> d = l1[id] fi
#else
#define OPERANDS if :: l0[id] && l1[id] -> d = l1[id]; v = l0[id] :: l0[id] && l1[id] -> d = l0[id]; v = l1[id] \
                    :: l0[id] -> d = l0[id] :: l1[id] -> d = l1[id] OPERANDS2 fi

#ifdef F2
#define OPERANDS2 :: l0[id] == 1 -> d = NOBJ+1; v = l1[id] :: l1[id] == 1 -> d = NOBJ+1; v = l0[id] \
                  :: l0[id] == 1 || l1[id] == 1 -> d = NOBJ+1
#else
#define OPERANDS2
#endif
#endif

#ifdef WEAK
#define SOME assert(!wnone && !wdead && used[wt]); LOAD(wt)   /* !wdead: not a reused slot */
#define NONE wnone = 1
#ifdef W_PREPOFF
#define GATED (m == MARK)
#else
#define GATED (m == PREP || m == MARK)
#endif
#ifdef R_WCLEAR
#define WPLAIN (m == OFF || m == SWEEP || !GATED && m == PREP)
#else
#define WPLAIN (m == OFF || !GATED && m == PREP)
#endif
#endif

#ifdef WEAKNEW
#define BSOME(w) assert(!bnone[w] && !bdead[w] && used[bt[w]]); LOAD(bt[w])
#define BNONE(w) bnone[w] = 1
#ifdef WN_LATE                          /* a new box enters the table at the unpin of its maker; WN_NEXT: later still */
#define BORN (2 + id)
#else
#define BORN 1
#endif
#define NEWBOX(w) bx[w] = BORN; bt[w] = l0[id]; bdead[w] = 0; bnone[w] = 0; b = 0; \
                  assert(!(resolved && m == MARK) || mark[bt[w]])
#ifdef WN_REUSE                         /* a dropped box is free for reuse at once, not after the Sweep crossing */
#define BDROP(w) bx[w] = 0; bt[w] = 0; bdead[w] = 0; bnone[w] = 0
#else
#define BDROP(w) bx[w] = 9
#endif
#endif
#ifdef KEEP                             /* what a pin keeps is settled before its end */
#ifdef CLEAK
#define UNPINOK (CMINE || kt != id+1) -> if :: CMINE -> cx = 3; kt = 0; kk = 0; kc = 0; mine = 0; chg = 0 :: else fi;
#else
#define UNPINOK (!CMINE && kt != id+1) ->
#endif
#elif defined(CLEAK)                    /* a guard can be leaked: the cell stays locked for ever */
#define UNPINOK if :: CMINE -> cx = 3 :: else fi;
#elif defined(CELL)
#define UNPINOK !CMINE ->
#elif defined(RM_D) && !defined(RM_D2)
#define UNPINOK !g ->
#elif defined(WN_LATE)
#define UNPINOK if :: bx[0] == 2+id -> bx[0] = 1 :: else fi;
#elif defined(LATE) && !defined(LT_UNPIN)   /* LT_UNPIN: a pin may end before what it has overwritten is shaded */
#define UNPINOK !late[id] ->
#else
#define UNPINOK
#endif
#define PINRUN
#define PINGIVE
#ifdef RUNBULK
#undef PINRUN
#undef PINGIVE
#ifdef RB_NAIVE                         /* publishes first, gives up inside the pin */
#define PINRUN && pub[id] != LOCKED
#define PINGIVE if :: atomic { NEEDGIVE(pub[id]) -> skip }; giveup(id) :: else fi;
#else                                   /* gives up first, with its word locked, then publishes */
#define PINRUN && pub[id] != LOCKED && !NEEDGIVE(epoch)
#define PINGIVE
#endif
#endif
#ifdef LAZY
#ifdef LS_NOTOKEN                       /* mutation: looks, and only then takes */
#define CLAIM(o) skip
#define MUTCLAIM claim[w] = 1;
#else
#define CLAIM(o) claim[o] = 1
#define MUTCLAIM
#endif
#define UNSWEPT(o) !claim[o]
#if NOBJ == 2
#define ALLCLAIMED (claim[1] && claim[2])
#elif NOBJ == 3
#define ALLCLAIMED (claim[1] && claim[2] && claim[3])
#else
#define ALLCLAIMED (claim[1] && claim[2] && claim[3] && claim[4])
#endif
#ifdef POISON
#define DOOMED(o) (used[o] && !poisoned)
#else
#define DOOMED(o) used[o]
#endif
#define SWEEPONE(o, marked) if :: !marked && DOOMED(o) -> FREE(o) :: else -> swept[o] = 1 fi
#endif
#ifdef EPH
#define HASLOCAL(o) (l0[id] == o || l1[id] == o)
#define HASBOX (eb[0] && HASLOCAL(eb[0]))
#define HASENTRY(w) (eb[w] && HASLOCAL(eb[w]) && HASLOCAL(ek[w]) && !edead[w])
#define ESOME(w) assert(used[ev[w]]); LOAD(ev[w])
#define EKEY assert(!enone[0] && !edead[0] && used[ek[0]]); LOAD(ek[0])
#define TAKEBOX(o) :: (!used[o] && (m != SWEEP || swept[o])) -> used[o] = 1; BEHIND(o) mark[o] = BLACK; f[o] = 0; \
                      eb[0] = o; ek[0] = d; ev[0] = v; LOAD(o)
#endif
