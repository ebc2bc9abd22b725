/* The extensions' operations inside a pin. */
#ifdef ASSIST
     :: atomic { OP && m == MARK && !parked -> GO;               /* start: counted before anything is taken */
#ifndef AS_UNCOUNTED                                             /* mutation: not counted active */
          nact++
#endif
        };
        if
        :: atomic { q[0] -> hand[id] = q[0]; q[0] = 0 }
        :: atomic { q[1] -> hand[id] = q[1]; q[1] = 0 }
        :: atomic { gray -> hand[id] = gray; gray = 0 }
        :: atomic { !q[0] && !q[1] && !gray -> skip }
        fi;
        do
        :: atomic { hand[id] -> if :: (hand[id] & 2) -> n = 1 :: (hand[id] & 4) -> n = 2
#if NOBJ > 2
             :: (hand[id] & 8) -> n = 3
#endif
#if NOBJ > 3
             :: (hand[id] & 16) -> n = 4
#endif
             fi; assert(used[n]); v = f[n] };
           if
           :: atomic { v && !mark[v] -> assert(used[v]); mark[v] = 1; hand[id] = hand[id] | BIT(v) }
           :: atomic { !v || mark[v] -> skip }
           fi;
           atomic { hand[id] = hand[id] & ~BIT(n); n = 0; v = 0 }
        :: break                                                 /* the quantum ends at any time */
        od;
#ifdef AS_NOGIVE                                                 /* mutation: the rest stays in the assistant's hands */
        nact--
#elif defined(AS_UNCOUNTED)
        atomic { gray = gray | hand[id]; hand[id] = 0 }
#else
        atomic { gray = gray | hand[id]; hand[id] = 0 };         /* shared, then idle */
        nact--
#endif
#endif
#ifdef LAZY
     :: atomic { OP && m == SWEEP && open -> GO; nsw++ };        /* begin: the right to sweep */
        if
        :: atomic { UNSWEPT(1) -> w = 1; CLAIM(w) }
        :: atomic { UNSWEPT(2) -> w = 2; CLAIM(w) }
#if NOBJ > 2
        :: atomic { UNSWEPT(3) -> w = 3; CLAIM(w) }
#endif
#if NOBJ > 3
        :: atomic { UNSWEPT(4) -> w = 4; CLAIM(w) }
#endif
        :: atomic { ALLCLAIMED -> skip }
        fi;
        if
        :: atomic { w -> MUTCLAIM b = mark[w]; mark[w] = 0 };
           atomic { SWEEPONE(w, b); w = 0; b = 0 }
        :: atomic { !w -> skip }
        fi;
        nsw--
#endif
#ifdef EPH
     :: atomic { OP && l0[id] && l1[id] && !eb[0] -> GO;         /* a box, filled before it is published: no barrier */
          if :: d = l0[id]; v = l1[id] :: d = l1[id]; v = l0[id] fi;
          if
#ifndef LEAFKEY
          TAKEBOX(1)
#endif
          TAKEBOX(2) TAKEBOX(3)
#if NOBJ > 3
          TAKEBOX(4)
#endif
          :: else fi; d = 0; v = 0 }
#ifdef EG_GET                                                    /* also the read goes through the gate */
     :: atomic { OP && HASENTRY(0) && m != MARK -> GO; ESOME(0) }
     :: atomic { OP && HASENTRY(0) && m == MARK && !wlock -> GO; readers++; w = ev[0] };
        if
        :: atomic { mark[w] -> skip }
        :: atomic { !mark[w] -> skip };
           if
           :: atomic { resolved -> assert(false) }               /* a key in hand has a value */
           :: atomic { !resolved -> skip }; shade(w)
           fi
        fi;
        atomic { ESOME(0); readers--; w = 0 }
#else
     :: atomic { OP && HASENTRY(0) -> GO; ESOME(0) }             /* value of a key in hand: a plain load */
#endif
#if NE > 1
     :: atomic { OP && HASENTRY(1) -> GO; ESOME(1) }
#endif
     :: atomic { OP && HASBOX && m != MARK -> GO;                /* the key, of which only the box is in hand */
          if :: edead[0] -> enone[0] = 1 :: else -> EKEY fi }
#ifdef EG_NOGATE                                                 /* mutation: without the gate */
     :: atomic { OP && HASBOX && m == MARK -> GO; w = 1 };
#else
     :: atomic { OP && HASBOX && m == MARK && !wlock -> GO; readers++; w = 1 };
#endif
        if
        :: atomic { edead[0] -> enone[0] = 1 }
        :: atomic { !edead[0] && mark[ek[0]] -> EKEY }
        :: atomic { !edead[0] && !mark[ek[0]] -> skip };
           if
           :: atomic { resolved -> enone[0] = 1 }
           :: atomic { !resolved -> skip }; shade(ek[0]); atomic { EKEY }
           fi
        fi;
#ifndef EG_NOGATE
        readers--;
#endif
        w = 0
#endif
#ifdef FIN
     :: atomic { OP && l0[id] && !fr -> GO; fr = l0[id] }        /* register */
     :: atomic { OP && rdy -> GO;                                /* take from the ready list: the list's edge is cut */
          n = ((rdy & 2) -> 1 : ((rdy & 4) -> 2 : ((rdy & 8) -> 3 : 4))); rdy = rdy & ~BIT(n); v = n; LOAD(v) };
#ifndef FN_POPNOSHADE                                            /* mutation: no shade at the taking */
        if :: atomic { m == MARK || m == PREP -> skip }; shade(v) :: atomic { !(m == MARK || m == PREP) -> skip } fi;
#endif
        v = 0
#endif
