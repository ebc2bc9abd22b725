/* Handshake, marking and the second marker. */
#ifdef L_CTRL
#define CROSSED(t) (pub[t] == UNPINNED)          /* liveness control: expected to starve */
#else
#define CROSSED(t) (pub[t] == UNPINNED || pub[t] >= epoch NOTLOCKED(t))
#endif
#ifdef RUNBULK
#define NOTLOCKED(t) && pub[t] != LOCKED
#else
#define NOTLOCKED(t)
#endif
#define HANDSHAKE(e) epoch = e; CROSSED(0); CROSSED(1)

inline greyit(p) { if :: p && !mark[p] -> assert(used[p]); mark[p] = 1; gray = gray | BIT(p) :: else fi }
#ifdef SCANS
#define SCAN(o) :: atomic { (gray & BIT(o)) -> gray = gray & ~BIT(o); assert(used[o]); if :: scanned[o] :: else -> scanned[o] = 1; greyit(f[o]) fi }
#elif defined(FINESCAN)
#define SCAN(o) :: atomic { (gray & BIT(o)) -> gray = gray & ~BIT(o); assert(used[o]); x = f[o] }; atomic { greyit(x); x = 0 }
#else
#define SCAN(o) :: atomic { (gray & BIT(o)) -> gray = gray & ~BIT(o); assert(used[o]); greyit(f[o]) }
#endif
#ifdef F2
#define SCAN1 :: atomic { (gray & BIT(1)) -> gray = gray & ~BIT(1); assert(used[1]); if :: x = 1 :: x = NOBJ+1 fi; greyit(f[x]) }; \
                 atomic { greyit(f[NOBJ+2-x]); x = 0 }
#else
#define SCAN1 SCAN(1)
#endif
#ifdef CELL
#undef SCAN1
#ifdef CM_D                             /* mutation: the marker skips a borrowed cell, yet records the cycle */
#define SKIPREC crec = cyc + 1
#else
#define SKIPREC skip
#endif
#ifdef F2
#define SCAN1B atomic { greyit(f[NOBJ+1]) };
#else
#define SCAN1B
#endif
#ifdef CM_G                             /* mutation: the marker scans without the lock */
#define SCAN1 :: atomic { (gray & 2) -> gray = gray & ~2; assert(used[1]); greyit(f[1]) }; SCAN1B crec = cyc + 1
#elif defined(CDONE)                    /* variant: the marker need not scan a cell that has this cycle recorded */
#define SCAN1 :: atomic { (gray & 2) && (cx || crec == cyc + 1) -> gray = gray & ~2; assert(used[1]) } \
              :: atomic { (gray & 2) && !cx && crec != cyc + 1 -> gray = gray & ~2; assert(used[1]); cs = 1 }; \
                 atomic { greyit(f[1]) }; SCAN1B atomic { crec = cyc + 1; cs = 0 }
#elif defined(KEEP)                     /* what is kept has the keeper where the cycle is recorded */
#define SCAN1 :: atomic { (gray & 2) && cx -> gray = gray & ~2; assert(used[1]); SKIPREC } \
              :: atomic { (gray & 2) && !cx -> gray = gray & ~2; assert(used[1]); cs = 1; kn = NOTED }; \
                 atomic { greyit(f[1]) }; SCAN1B atomic { crec = (kn -> crec : cyc + 1); kn = 0; cs = 0 }
#else
#define SCAN1 :: atomic { (gray & 2) && cx -> gray = gray & ~2; assert(used[1]); SKIPREC } \
              :: atomic { (gray & 2) && !cx -> gray = gray & ~2; assert(used[1]); cs = 1 }; \
                 atomic { greyit(f[1]) }; SCAN1B atomic { crec = cyc + 1; cs = 0 }
#endif
#endif
#define STEAL(t) :: atomic { q[t] -> gray = gray | q[t]; q[t] = 0 }
#ifdef POISON                           /* the trace of an object panics: its edges stay unknown */
#define PANIC(o) :: atomic { !panicked && (gray & BIT(o)) -> gray = gray & ~BIT(o); panicked = 1; poisoned = 1 }
#define PANICS PANIC(1) PANIC(2)
#else
#define PANICS
#endif
#if NOBJ == 2
#define MARKING STEAL(0) STEAL(1) SCAN1 SCAN(2) PANICS NEARS
#elif NOBJ == 3
#define MARKING STEAL(0) STEAL(1) SCAN1 SCAN(2) SCAN(3) PANICS NEARS
#else
#define MARKING STEAL(0) STEAL(1) SCAN1 SCAN(2) SCAN(3) SCAN(4) PANICS NEARS
#endif
#ifdef NEAR                             /* what an object points to may be noted without its mark, scanned, and marked at any time after that */
inline noteit(p) { if :: p && !(unsettled & BIT(p)) -> assert(used[p]); noted = noted | BIT(p) :: greyit(p) fi }
#define NEARSCAN(o) :: atomic { (gray & BIT(o)) -> gray = gray & ~BIT(o); assert(used[o]); noteit(f[o]) } \
                    :: atomic { (noted & BIT(o)) -> noted = noted & ~BIT(o); unsettled = unsettled | BIT(o); assert(used[o]); noteit(f[o]) } \
                    :: atomic { (unsettled & BIT(o)) -> unsettled = unsettled & ~BIT(o); assert(used[o]); NR_MARK(o) }
#ifdef NR_NOMARK                        /* mutation: what was noted and scanned is never marked */
#define NR_MARK(o) skip
#else
#define NR_MARK(o) mark[o] = 1
#endif
#if NOBJ == 2
#define NEARS NEARSCAN(1) NEARSCAN(2)
#elif NOBJ == 3
#define NEARS NEARSCAN(1) NEARSCAN(2) NEARSCAN(3)
#else
#define NEARS NEARSCAN(1) NEARSCAN(2) NEARSCAN(3) NEARSCAN(4)
#endif
#ifdef NR_LETGO                         /* mutation: the marker may be idle although something is not marked yet */
#define SETTLED !noted
#else
#define SETTLED !noted && !unsettled
#endif
#else
#define NEARS
#define SETTLED 1
#endif
#define IDLE (!q[0] && !q[1] && !gray && SETTLED)
#ifdef MK2                              /* two marker processes share `gray`; Coll only coordinates */
#undef MARKING
#define MARKING
byte nact; bit parked = 1;            /* markers awake; no marker may start */
#define PICK(o1) :: (gray & BIT(o1)) -> o = o1
proctype Marker() {
  byte x, o, my;
end:
  do
  :: atomic { !parked && (gray || q[0] || q[1]) ->
#ifndef MK_LATEACTIVE
       nact++
#endif
     };                                                          /* active first, then take */
     if
     :: atomic { parked ->
#ifndef MK_LATEACTIVE
         nact--
#endif
       }
     :: atomic { !parked -> skip };
#ifdef MK_LATEACTIVE                                             /* mutation: takes, and only then counts itself active */
        if :: atomic { q[0] -> my = q[0]; q[0] = 0 } :: atomic { q[1] -> my = q[1]; q[1] = 0 } :: atomic { gray -> my = gray; gray = 0 }
           :: atomic { !gray && !q[0] && !q[1] -> skip } fi;
        nact++; atomic { gray = gray | my; my = 0 };
#endif
        do
        :: atomic { q[0] -> my = q[0]; q[0] = 0 }; atomic { gray = gray | my; my = 0 }
        :: atomic { q[1] -> my = q[1]; q[1] = 0 }; atomic { gray = gray | my; my = 0 }
        :: atomic { gray -> if PICK(1) PICK(2)
#if NOBJ > 2
             PICK(3)
#endif
             fi; gray = gray & ~BIT(o); assert(used[o]) };
           atomic { x = f[o]; o = 0 };
           if :: atomic { x && !mark[x] -> assert(used[x]); mark[x] = 1 }; atomic { gray = gray | BIT(x); x = 0 }
              :: atomic { !x || mark[x] -> x = 0 } fi
        :: atomic { !gray -> skip }; atomic { nact--; break }  /* idle only after a take that found nothing */
        od
     fi
  od
}
#endif

