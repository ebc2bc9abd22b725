/* The extensions' state: what the code has beyond the first model, or is to have. All off by default. */
#if defined(WEAK) || defined(WEAKNEW) || defined(EPH) || defined(FIN)
#define GATE
byte readers; bit wlock, resolved;      /* the gate: readers inside, writer inside, marking is over */
#endif
#ifdef ASSIST                           /* mutators mark inside a pin; `gray` is the shared queue */
byte nact; bit parked = 1;              /* who holds work; nobody may start */
byte hand[NT];                          /* what an assisting mutator has taken */
#define INHAND (hand[0] | hand[1])
#else
#define INHAND 0
#endif
#ifdef LAZY                             /* mutators sweep spans inside a pin; each object is a span */
bit open; byte nsw;                     /* the sweep is open; mutators that sweep */
bit claim[NOBJ+1];                      /* the span is out of the list of unswept ones */
#endif
#ifdef POISON                           /* once, an object's trace panics: it is not scanned, and nothing dies */
bit poisoned, panicked;
#endif
#ifdef EPH                              /* immutable ephemerons; the box is a heap object like any other */
#ifndef NE
#define NE 1                            /* NE=2: two entries in one box, the first needs the second: 2 => 4, 1 => 2 */
#endif
byte eb[NE], ek[NE], ev[NE]; bit edead[NE], enone[NE];   /* box (0: no entry), key, value, dead flag; ghost: None seen */
#endif
#ifdef FIN                              /* finalization queue; an object's registration does not keep it */
byte fr, rdy;                           /* registered object; set of ready objects, which is a root */
#endif
#ifdef LEAFKEY                          /* object 1 is a leaf: shading it pushes nothing (LEAFCOUNT: but counts) */
#define LEAF(p) ((p) == 1)
#else
#define LEAF(p) (0)
#endif
