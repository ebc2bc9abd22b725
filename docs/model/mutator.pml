/* A mutator. */
proctype Mut(bit id) {
  byte m, d, v, old, n;
#if defined(M_H) || defined(FINEPIN) || defined(RB_FAST)
  byte e;
#endif
#if defined(WEAKNEW) || defined(RM_F) || defined(RM_D)
  byte i, j, s, b, g;
#elif defined(LAZY)
  byte i, j, s, b, w;
#elif defined(EPH)
  byte w;
#endif
#ifdef KEEP
  bit mine, chg;                        /* of the guard: its pin keeps the cell; it was written through */
#ifdef KSTART                           /* mutator 0 may begin in Prep with the cell and a white object in its hands */
  if
  :: atomic { !id && epoch == 1 -> pub[0] = 1; m = PREP; l0[0] = 1; l1[0] = 2 }; goto pinned
  :: true
  fi;
#endif
#endif
end:
  do
#if defined(M_H)
  :: atomic { OP -> e = epoch };  atomic { pub[id] = e; m = MODE(e); e = 0 };
#elif defined(RB_FAST)
  :: atomic { OP -> e = epoch };
     do
     :: if
        :: atomic { e == seen[id] -> skip }; pub[id] = e
        :: atomic { e != seen[id] -> skip };                     /* the first pin in this epoch */
           atomic { !tl[id] -> tl[id] = 1 };
           if :: atomic { NEEDGIVE(e) -> skip }; giveup(id) :: atomic { !NEEDGIVE(e) -> skip } fi;
           seen[id] = e; pub[id] = e; tl[id] = 0
        fi;
        if :: atomic { epoch == e -> m = MODE(e); e = 0; break } :: atomic { epoch != e -> e = epoch } fi
     od;
#elif defined(FINEPIN)
  :: atomic { OP -> e = epoch };
     do
     :: pub[id] = e;
        if :: atomic { epoch == e -> m = MODE(e); e = 0; break } :: atomic { epoch != e -> e = epoch } fi
     od;
#else
  :: atomic { PINOK SLIM PINRUN -> pub[id] = epoch; m = MODE(epoch) };   /* = the successful re-check, see README */
     PINGIVE
#endif
#if defined(RUNBULK) || defined(KSTART)
pinned:
#endif
     do
     :: atomic { OP SLIM && rs[0] == 1 -> GO; LOAD(rv[0]) }
     :: atomic { OP DROPS && rs[0] == 1 -> GO; DROP(0) }
#if NROOT > 1
     :: atomic { OP SLIM && rs[1] == 1 -> GO; LOAD(rv[1]) }
     :: atomic { OP DROPS && rs[1] == 1 -> GO; DROP(1) }
#endif
     :: atomic { OP SLIM && l0[id] CREAD(l0[id]) -> GO; assert(used[l0[id]]); SEEN(l0[id]) LOAD(f[l0[id]]) }
     :: atomic { OP SLIM && l1[id] CREAD(l1[id]) -> GO; assert(used[l1[id]]); SEEN(l1[id]) LOAD(f[l1[id]]) }
#ifdef F2
     :: atomic { OP SLIM && (l0[id] == 1 || l1[id] == 1) CREAD(1) -> GO; assert(used[1]); SEEN(1) LOAD(f[NOBJ+1]) }
#endif
#ifdef CELL
     :: atomic { OP && (l0[id] == 1 || l1[id] == 1) && !cx && !(cs KLOCKED) -> FREEOP; assert(used[1]); cx = id+1; ENTER };  /* exclusive borrow */
        if
#ifdef CM_E                                                      /* mutation: no shade at the borrow in Prep */
        :: atomic { m == PREP -> skip };
#elif defined(KEEP)
        :: atomic { m == PREP && mine -> skip }
        :: atomic { m == PREP && !mine -> skip }; shadecell();
           atomic { if :: kt = id+1; crec = 0; mine = 1 MAYNOT fi }    /* (a small content is not kept) */
#else
        :: atomic { m == PREP -> skip }; shadecell();
#endif
#ifdef CM_A                                                      /* mutation: a borrow in Prep records the cycle */
           crec = CYC1
#endif
        :: atomic { m == MARK && crec != CYC1 -> skip };
#ifndef CM_C                                                     /* mutation: no shade at the first borrow in Mark */
           shadecell();
#endif
           crec = CYC1
        :: atomic { m != PREP && !(m == MARK && crec != CYC1) -> skip }
        fi
     :: atomic { OP && CMINE -> GO; if :: v = l0[id] :: v = l1[id] fi; assert(used[1]); CHANGED f[1] = v; v = 0 }  /* no barrier */
     :: atomic { OP && CMINE && (l0[id] || l1[id]) -> GO; assert(used[1]); CHANGED f[1] = 0 }
#ifdef F2
     :: atomic { OP && CMINE -> GO; if :: v = l0[id] :: v = l1[id] fi; CHANGED f[NOBJ+1] = v; v = 0 }
     :: atomic { OP && CMINE && (l0[id] || l1[id]) -> GO; CHANGED f[NOBJ+1] = 0 }
#endif
     :: atomic { CMINE -> skip };                                /* release */
#ifdef KEEP
        if
        :: atomic { mine -> kk = 1; kc = kc || chg; cx = 0; mine = 0; chg = 0 }
        :: atomic { !mine -> skip };
           if :: atomic { m == PREP && chg -> skip }; shadecell() :: atomic { !(m == PREP && chg) -> skip } fi;
           atomic { chg = 0; cx = 0 }
        fi
     :: atomic { kt == id+1 && !cx -> ks = 1 };                  /* before the unpin: what was changed is shaded again */
#ifndef KP_END                                                   /* mutation: it is not */
        if :: atomic { kc -> skip }; shadecell() :: atomic { !kc -> skip } fi;
#endif
        atomic { crec = 0; kk = 0; kc = 0; kt = 0; ks = 0 }
#else
#ifndef CM_B                                                     /* mutation: no shade at the release in Prep */
        if :: atomic { m == PREP -> skip }; shadecell() :: atomic { m != PREP -> skip } fi;
#endif
        cx = 0
#endif
#endif
#ifdef RUNBULK
     :: atomic { OP && !rn[id] -> GO;                            /* take a run of 1 or 2 free slots */
          if RUN1(1) RUN1(2) RUN2(1)
#if NOBJ > 2
             RUN1(3) RUN2(2)
#endif
#if NOBJ > 3
             RUN1(4) RUN2(3)
#endif
          :: else fi;
          UNFRESH if :: rn[id] -> rtag[id] = TAG(pub[id]) :: else fi };
#ifdef RM_D                                                      /* mutation: bulk mark after first use */
        if :: m == MARK && rn[id] -> g = rn[id] :: else fi
     :: atomic { g && m == MARK -> i = 1; do :: i <= NOBJ -> mark[i] = mark[i] || (g & BIT(i)); i++ :: else -> break od; i = 0;
          g = 0; rb[id] = (rn[id] -> 1 : 0) }
#elif !defined(RM_E)
        if :: atomic { rn[id] && m == MARK -> EACH(MARK1,id); rb[id] = 1 } :: atomic { !(rn[id] && m == MARK) -> skip } fi
#else
        if :: atomic { rn[id] && m == MARK -> EACH(MARK1,id); rb[id] = 1 } :: atomic { !(rn[id] && m == MARK) -> skip } fi
#endif
     :: atomic { OP && rn[id] -> GO; if :: v = l0[id] :: v = 0 fi; n = FIRST(rn[id]) };   /* allocate: read the cursor ... */
        atomic { assert((rn[id] & BIT(n)) && !used[n]);          /* ... no mark is touched; no one else has taken the slot */
          rn[id] = rn[id] & ~BIT(n);
          if :: !rn[id] -> rb[id] = 0; rtag[id] = 0 :: else fi;
          used[n] = 1; f[n] = v; LOAD(n); v = 0 }
#ifdef RB_ANY
     :: atomic { OP && rn[id] MAYGIVE -> GO }; giveup(id)        /* the owner may give a run up at any time */
#endif
#elif defined(RUN)
     :: atomic { OP && !rn[id] -> GO; if RESERVE(1) RESERVE(2)  /* take a run of free slots (length 1) */
#if NOBJ > 2
          RESERVE(3)
#endif
          :: else fi }
     :: atomic { OP && rn[id] -> GO; if :: v = l0[id] :: v = 0 fi;
          if
#ifndef RUN_KEEP
          :: runtag[id] != TAG(pub[id]) -> rn[id] = 0          /* a sweep has begun since: discard the run */
#endif
          :: else -> assert(resv[rn[id]] && !used[rn[id]]);
             n = rn[id]; rn[id] = 0; resv[n] = 0; used[n] = 1; mark[n] = BLACK; f[n] = v; LOAD(n)
          fi; v = 0 }
#else
     :: atomic { OP SLIM -> GO; if :: v = l0[id] :: v = 0 fi;          /* alloc, initialising store of a local or null */
#ifdef INITSHADE
        }; if :: SHADENEW && v -> shade(v) :: else fi; atomic {
#endif
          if TAKE(1) TAKE(2)
#if NOBJ > 2
          TAKE(3)
#endif
#if NOBJ > 3
          TAKE(4)
#endif
          :: else fi; v = 0 }
#endif
     :: atomic { OP SLIM && l0[id] -> GO; v = l0[id] };               /* create a root */
        if :: SHADEROOT -> shade(v) :: else fi;
        atomic { if MKROOT(0)
#if NROOT > 1
          MKROOT(1)
#endif
          :: else fi; v = 0 }
     :: atomic { OP && STOREOK && (m == OFF || m == SWEEP) -> GO; OPERANDS;   /* plain store */
          assert(used[d]); f[d] = v; d = 0; v = 0 }
#ifdef SWAPMARK                                                  /* an exchange in Mark: what it returned is shaded after it */
     :: atomic { OP && STOREOK && m == MARK -> GO; OPERANDS; assert(used[d]); old = f[d]; f[d] = v };
        shade(old); atomic { old = 0; v = 0; d = 0 }
#endif
#if defined(R_SWAP) || defined(R_CAS)
     :: atomic { OP && STOREOK && m == PREP -> GO; OPERANDS };
#if !defined(M_A) && !defined(M_A1)
        shade(v);
#endif
#ifdef R_SWAP
        atomic { old = f[d]; f[d] = v }; shade(old);
#else
        do :: old = f[d]; shade(old);
              if :: atomic { f[d] == old -> f[d] = v; break } :: atomic { f[d] != old -> skip } fi od;
#endif
        atomic { old = 0; v = 0; d = 0 }
#ifdef LATE                                                      /* in Mark the old value is only noted ... */
     :: atomic { OP && STOREOK && m == MARK -> GO; OPERANDS; assert(used[d]); old = f[d] };
        atomic { late[id] = (old -> late[id] | BIT(old) : late[id]); old = 0 };
        atomic { assert(used[d]); f[d] = v; v = 0; d = 0 }
     :: LATESHADE                                                /* ... and shaded later in the pin */
     :: false ->
#else
     :: atomic { OP && STOREOK && m == MARK -> GO; OPERANDS; old = SHADEOLD*f[d] };
#endif
#else
     :: atomic { OP && STOREOK && (m == PREP || m == MARK) -> GO; OPERANDS;   /* barriered store */
          assert(used[d]); old = SHADEOLD*f[d] };
#endif
        if :: old -> shade(old) :: else fi;
        if :: SHADENEW && v -> shade(v) :: else fi;
        atomic { assert(used[d]); f[d] = v; old = 0; v = 0; d = 0 }
#ifdef WEAK
     :: atomic { OP && WPLAIN -> GO; if :: wdead -> NONE :: else -> SOME fi }
#ifndef R_WCLEAR
     :: atomic { OP && m == SWEEP && (swept[wt] || wdead) -> GO; if :: wdead -> NONE :: else -> SOME fi }
     :: atomic { OP && m == SWEEP && !swept[wt] && !wdead -> GO };
        if
#ifdef W_NAIVE                                                   /* the proposed rule: the mark bit decides */
        :: atomic { mark[wt] -> SOME }
        :: atomic { !mark[wt] -> NONE }
#elif defined(W_HALF)                                            /* re-check only before None */
        :: atomic { mark[wt] -> SOME }
        :: atomic { !mark[wt] -> skip }; atomic { if :: swept[wt] && !wdead -> SOME :: else -> NONE fi }
#else                                                            /* read mark, re-read swept, then decide */
        :: atomic { mark[wt] -> skip };  atomic { if :: swept[wt] && wdead -> NONE :: else -> SOME fi }
        :: atomic { !mark[wt] -> skip }; atomic { if :: swept[wt] && !wdead -> SOME :: else -> NONE fi }
#endif
        fi
#endif
#ifdef W_NOGATE
     :: atomic { OP && GATED -> GO };
#elif defined(EF_OUTSIDE)               /* mutation: the flag is looked at outside of the gate, and not again */
     :: atomic { OP && GATED && !wdead -> GO }; atomic { !wlock -> readers++ };
#else
     :: atomic { OP && GATED && !wlock -> GO; readers++ };       /* read side of the gate */
#endif
        if
#ifdef EARLYFREE                        /* the flag, and then the mark */
#ifndef EF_OUTSIDE
        :: atomic { wdead -> NONE }
        :: atomic { !wdead -> skip };
#else
        :: true;
#endif
           if
           :: atomic { mark[wt] AHEAD(wt) -> SOME; goto upgraded }
           :: atomic { !(mark[wt] AHEAD(wt)) -> skip }
           fi;
#else
        :: atomic { wdead -> NONE }
        :: atomic { !wdead && mark[wt] -> SOME }
        :: atomic { !wdead && !mark[wt] -> skip };
#endif
           if
           :: atomic { resolved -> NONE }
           :: atomic { !resolved -> skip }; shade(wt); atomic { SOME }
           fi
        fi;
#ifdef EARLYFREE
upgraded:
#endif
#ifndef W_NOGATE
        readers--
#else
        skip
#endif
#endif
#ifdef WEAKNEW
     :: atomic { OP && l0[id] && !bx[0] -> GO; b = 0; NEWBOX(0) }                  /* make a weak box */
     :: atomic { OP && BX(0) && m != MARK -> GO; if :: bdead[0] -> BNONE(0) :: else -> BSOME(0) fi }
     :: atomic { OP && BX(0) && m == MARK && !wlock -> GO; readers++; b = 0 }; goto upgrade
     :: atomic { OP && bx[0] == 1 && !readers -> GO; BDROP(0) }                    /* (no one is using the box) */
#if NW > 1
     :: atomic { OP && l0[id] && !bx[1] -> GO; b = 1; NEWBOX(1) }
     :: atomic { OP && BX(1) && m != MARK -> GO; if :: bdead[1] -> BNONE(1) :: else -> BSOME(1) fi }
     :: atomic { OP && BX(1) && m == MARK && !wlock -> GO; readers++; b = 1 }; goto upgrade
     :: atomic { OP && bx[1] == 1 && !readers -> GO; BDROP(1) }
#endif
     :: false ->
upgrade:
        if
        :: atomic { bdead[b] -> BNONE(b) }
        :: atomic { !bdead[b] && mark[bt[b]] -> BSOME(b) }
        :: atomic { !bdead[b] && !mark[bt[b]] -> skip };
           if
           :: atomic { resolved -> reach(s); assert(!(s & BIT(bt[b]))); s = 0; BNONE(b) }
           :: atomic { !resolved -> skip }; shade(bt[b]); atomic { BSOME(b) }
           fi
        fi;
        atomic { readers--; b = 0 }
#endif
#include "ext-mutator.pml"
     :: atomic { UNPINOK l0[id] = 0; l1[id] = 0; m = 0; pub[id] = UNPINNED; break }     /* unpin */
     od
#if defined(RUNBULK) && !defined(RB_NAIVE) && !defined(RB_FAST)
  :: atomic { PINOK && pub[id] == UNPINNED && NEEDGIVE(epoch) -> pub[id] = LOCKED }; giveup(id);
     atomic { pub[id] = epoch; m = MODE(epoch) }; goto pinned
#endif
#ifdef LT_UNPIN
  :: LATESHADE
#endif
  :: atomic { OP DROPS && rs[0] == 1 -> GO; DROP(0) }                           /* drop while unpinned */
#if NROOT > 1
  :: atomic { OP DROPS && rs[1] == 1 -> GO; DROP(1) }
#endif
  od
}
