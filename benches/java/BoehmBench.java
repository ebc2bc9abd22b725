/**
 * {@code gcbench}: GCBench of Ellis, Kovac and Boehm as published, {@code --n} times (five).
 *
 * <p>A tree of depth 18 stretches the heap and dies; a tree of depth 16, made top down, and an array of 500,000 doubles
 * live to the end; for depths 4, 6 ... 16 trees are made that hold 2 * 524,287 nodes between them, once top down (each
 * node is stored into its parent) and once bottom up.
 *
 * <p>The checksum counts the long-lived tree and the last tree of each loop, and is right only if element 1000 of the
 * array is too, as the published program checks.
 */
final class BoehmBench {
    private static final int STRETCH_DEPTH = 18;
    private static final int LONG_LIVED_DEPTH = 16;
    private static final int LEAST_DEPTH = 4;
    private static final int MOST_DEPTH = 16;
    private static final int ARRAY_SIZE = 500_000;

    private static final class Node {
        Node left;
        Node right;
        int i;
        int j;

        Node(Node left, Node right) {
            this.left = left;
            this.right = right;
        }

        static Node topDown(int depth) {
            Node root = new Node(null, null);
            root.populate(depth);
            return root;
        }

        static Node bottomUp(int depth) {
            return depth == 0 ? new Node(null, null) : new Node(bottomUp(depth - 1), bottomUp(depth - 1));
        }

        private void populate(int depth) {
            if (depth == 0) {
                return;
            }
            left = new Node(null, null);
            right = new Node(null, null);
            left.populate(depth - 1);
            right.populate(depth - 1);
        }

        long count() {
            return 1 + (left == null ? 0 : left.count()) + (right == null ? 0 : right.count());
        }
    }

    private BoehmBench() {}

    static void run(Args args, Report report) throws Exception {
        Stopwatch watch = new Stopwatch();
        double[] walls = new double[(int) args.n];
        long count = 0;
        for (int i = 0; i < walls.length; i++) {
            long start = System.nanoTime();
            count += bench();
            walls[i] = (System.nanoTime() - start) / 1e9;
        }
        Stopwatch.Elapsed elapsed = watch.stop();
        report.count("n", args.n);
        report.number("run_s", Stopwatch.median(walls));
        report.elapsed(elapsed);
        long expected = treeSize(LONG_LIVED_DEPTH);
        for (int d = LEAST_DEPTH; d <= MOST_DEPTH; d += 2) {
            expected += 2 * treeSize(d);
        }
        report.check(count, args.n * expected);
    }

    /** {@code main} of the published program; gives the checksum of one run. */
    private static long bench() {
        Keeper keeper = new Keeper();
        keeper.drop(Node.bottomUp(STRETCH_DEPTH));
        Node longLived = Node.topDown(LONG_LIVED_DEPTH);
        double[] array = new double[ARRAY_SIZE];
        for (int i = 0; i < ARRAY_SIZE / 2; i++) {
            array[i] = 1.0 / i;
        }
        long count = 0;
        for (int depth = LEAST_DEPTH; depth <= MOST_DEPTH; depth += 2) {
            count += loops(keeper, depth);
        }
        return array[1000] == 1.0 / 1000 ? count + longLived.count() : 0;
    }

    /** Both loops of one depth; gives the size of the last tree of each. */
    private static long loops(Keeper keeper, int depth) {
        long iterations = 2 * treeSize(STRETCH_DEPTH) / treeSize(depth);
        Node last = null;
        for (long i = 0; i < iterations; i++) {
            last = Node.topDown(depth);
            keeper.drop(last);
        }
        long count = last.count();
        for (long i = 0; i < iterations; i++) {
            last = Node.bottomUp(depth);
            keeper.drop(last);
        }
        return count + last.count();
    }

    /** Nodes of a tree of depth d. */
    private static long treeSize(int d) {
        return (1L << (d + 1)) - 1;
    }
}
