/** The table of {@code mutate} as integers: for each slot the val of its node, and that of this node's next. */
final class Slots {
    /** The next of a node that has none; both values of a slot that is not intact. */
    static final long NONE = -1;

    final long[] vals;
    final long[] nexts;

    Slots(int n) {
        vals = new long[n];
        nexts = new long[n];
    }

    void set(int i, long val, long next) {
        vals[i] = val;
        nexts[i] = next;
    }

    long hash() {
        long hash = 0;
        for (int i = 0; i < vals.length; i++) {
            hash = RandomSource.mix(hash ^ RandomSource.mix(vals[i]) ^ Long.rotateLeft(nexts[i], 32));
        }
        return hash;
    }
}
