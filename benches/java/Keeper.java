import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;

/**
 * Keeps one object of a thread alive, and makes the compiler really allocate it: an opaque store is never removed. It
 * is the middle of an array, so that the keepers of two threads never share a cache line.
 */
final class Keeper {
    private static final VarHandle SLOT = MethodHandles.arrayElementVarHandle(Object[].class);
    private static final int MIDDLE = 64;

    private final Object[] slots = new Object[2 * MIDDLE];

    void keep(Object object) {
        SLOT.setOpaque(slots, MIDDLE, object);
    }

    Object kept() {
        return slots[MIDDLE];
    }

    /** Keeps an object for a moment, so that it is really allocated, then lets it go. */
    void drop(Object object) {
        keep(object);
        keep(null);
    }
}
