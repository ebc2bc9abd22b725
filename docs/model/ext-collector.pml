/* The collector's part of the extensions. */
#ifdef EPH                              /* the pass: box, key, value, each mark looked at by itself */
#define EPHPASS do \
     :: atomic { w < NE && !(eb[w] && mark[eb[w]] && !edead[w]) -> w++ } \
     :: atomic { w < NE && eb[w] && mark[eb[w]] && !edead[w] -> x = ek[w] }; \
        if \
        :: atomic { !mark[x] -> x = 0; w++ } \
        :: atomic { mark[x] -> x = ev[w] }; atomic { if :: !mark[x] -> found = 1; greyit(x) :: else fi; x = 0; w++ } \
        fi \
     :: atomic { w == NE -> w = 0; break } \
     od;
#define EPHFLAG do \
     :: atomic { w < NE && !(eb[w] && !edead[w]) -> w++ } \
     :: atomic { w < NE && eb[w] && !edead[w] -> x = ek[w] }; \
        atomic { if :: eb[w] && !mark[x] -> reach(s); assert(!(s & BIT(x))); s = 0; edead[w] = 1; \
                    assert(!mark[ek[w]]) :: else fi; x = 0; w++ } \
     :: atomic { w == NE -> w = 0; break } \
     od;
#endif
#ifdef FIN                              /* one registered object: is it unmarked? then mark it, and make it ready */
#ifdef FN_NOPUSH                        /* mutation: made ready, but marking does not go on from it */
#define RESURRECT(p) mark[p] = 1
#else
#define RESURRECT(p) mark[p] = 1; gray = gray | BIT(p)
#endif
#ifdef FN_NOAGAIN                       /* mutation: marking goes on, but no round follows */
#define RESUME do MARKING :: atomic { IDLE -> break } od
#else
#define RESUME goto again
#endif
#define FINALIZE(unlock) if \
     :: atomic { fr && !mark[fr] -> reach(s); assert(!(s & BIT(fr))); s = 0; x = fr }; \
        atomic { RESURRECT(x) }; atomic { reach(s); assert(!(s & BIT(x))); s = 0; rdy = rdy | BIT(x); fr = 0; x = 0 }; \
        unlock; RESUME \
     :: atomic { !(fr && !mark[fr]) -> skip } \
     fi
#endif
