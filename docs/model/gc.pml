/* On-the-fly tri-colour mark-sweep collector: 2 mutators + 1 collector (the only marker).
 * Sequentially consistent.  Every access to shared state is a step of its own; atomic{} only groups
 * thread-private work (choice of operands, register moves, ghosts) with ONE shared access.
 * All switches are listed in README.md. */
#include "state.pml"
#include "barrier.pml"
#include "mutator.pml"
#include "marker.pml"
#include "collector.pml"

init {
  atomic {
    used[1] = 1; used[NOBJ+1] = 1;              /* root 0 -> o1 -> o2, the others free */
#ifdef KSTART                                   /* root 0 -> o1; o2 is in mutator 0's hands (KSTART) */
    used[2] = 1;
#elif !defined(INIT1)
    f[1] = 2; used[2] = 1;                      /* (INIT1: o2 is free too) */
#endif
    rs[0] = 1; rv[0] = 1;
#ifdef WEAK
    wt = 2;
#endif
#if defined(WEAKNEW) && !defined(WN_0)  /* box 0 -> o2 (WN_0: no box yet) */
    bx[0] = 1; bt[0] = 2;
#endif
#ifdef EPH
#if NE > 1                                      /* root -> o1 -> box o3; 2 => 4, 1 => 2 */
    used[3] = 1; used[4] = 1; f[1] = 3; eb[0] = 3; ek[0] = 2; ev[0] = 4; eb[1] = 3; ek[1] = 1; ev[1] = 2;
#elif defined(E_WEAKKEY)                        /* root -> box o3; 1 => 2; the key is held by nothing else */
    used[3] = 1; rv[0] = 3; f[1] = 0; eb[0] = 3; ek[0] = 1; ev[0] = 2;
#else                                           /* root -> o1 -> box o3; 1 => 2 */
    used[3] = 1; f[1] = 3; eb[0] = 3; ek[0] = 1; ev[0] = 2;
#endif
#endif
#ifdef FIN                                      /* o2 is registered; with three objects it points to o3 */
    fr = 2;
#if NOBJ > 2
    used[3] = 1; f[2] = 3;
#endif
#endif
#ifdef MK2
    run Marker(); run Marker();
#endif
    run Coll(); run Mut(0); run Mut(1)
  }
}

#ifdef LIVE
ltl live { <> (cyc == NCYC) }
#endif
