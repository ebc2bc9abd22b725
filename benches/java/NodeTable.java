import java.util.concurrent.atomic.AtomicReferenceArray;

/**
 * The table that the mutators of {@code mutate} share. Its slots are stored with release and loaded with acquire, as in
 * Rust: on x86 both are plain moves.
 */
final class NodeTable {
    private static final class Node {
        /** After the node is in the table, mutators only ever set it to null, and none reads it: no order is needed. */
        Node next;

        final long val;
        final long first;
        final long second;
        final long third;

        Node(Node next, long val) {
            this.next = next;
            this.val = val;
            first = ~val;
            second = Long.rotateLeft(val, 17);
            third = RandomSource.mix(val);
        }

        boolean isIntact() {
            return first == ~val && second == Long.rotateLeft(val, 17) && third == RandomSource.mix(val);
        }
    }

    private final AtomicReferenceArray<Node> slots;

    NodeTable(int n) {
        slots = new AtomicReferenceArray<>(n);
        for (int i = 0; i < n; i++) {
            slots.setRelease(i, new Node(null, initial(i)));
        }
    }

    /** The val of slot i before the first operation: none that an operation gives. */
    static long initial(int i) {
        return Long.MIN_VALUE + i;
    }

    /** Does one batch of operations; the new nodes get the values from first up. */
    void batch(RandomSource random, long first) {
        int n = slots.length();
        for (long val = first; val < first + Mutate.BATCH; val++) {
            int i = random.below(n);
            int j = random.below(n);
            Node next = slots.getAcquire(j);
            next.next = null;
            slots.setRelease(i, new Node(next, val));
        }
    }

    /** Reads the whole table, and gives the number of slots that are intact. */
    int read(Slots into) {
        int intact = 0;
        for (int i = 0; i < slots.length(); i++) {
            Node node = slots.getAcquire(i);
            into.set(i, Slots.NONE, Slots.NONE);
            if (node == null || !node.isIntact()) {
                continue;
            }
            Node next = node.next;
            if (next != null && (!next.isIntact() || next.next != null)) {
                continue;
            }
            into.set(i, node.val, next == null ? Slots.NONE : next.val);
            intact++;
        }
        return intact;
    }
}
