import java.util.List;

/**
 * {@code btree}: binary-trees of the Benchmarks Game at depth D.
 *
 * <p>A stretch tree of depth D+1 is built, counted and dropped; a long-lived tree of depth D is kept; for d = 4, 6 ...
 * D, 2^(D-d+4) trees of depth d are built and counted, the trees of each depth split over T threads. The checksum is
 * the number of nodes counted.
 */
final class Btree {
    private static final int LEAST_DEPTH = 4;

    private static final class Tree {
        final Tree left;
        final Tree right;

        Tree(Tree left, Tree right) {
            this.left = left;
            this.right = right;
        }

        static Tree build(int depth) {
            return depth == 0 ? new Tree(null, null) : new Tree(build(depth - 1), build(depth - 1));
        }

        long count() {
            return 1 + (left == null ? 0 : left.count()) + (right == null ? 0 : right.count());
        }
    }

    private Btree() {}

    static void run(Args args, Report report) throws Exception {
        long count;
        Stopwatch.Elapsed elapsed;
        try (Threads threads = new Threads(args.threads, args.pin)) {
            Stopwatch watch = new Stopwatch();
            count = play(args.depth, threads, args.threads);
            elapsed = watch.stop();
        }
        report.count("depth", args.depth);
        report.elapsed(elapsed);
        long expected = nodes(args.depth + 1) + nodes(args.depth);
        for (int d = LEAST_DEPTH; d <= args.depth; d += 2) {
            expected += trees(args.depth, d) * nodes(d);
        }
        report.check(count, expected);
    }

    /** The number of nodes counted. */
    private static long play(int depth, Threads threads, int threadCount) throws Exception {
        long count = countOne(new Keeper(), depth + 1);
        Tree kept = Tree.build(depth);
        List<Long> shares = threads.run(thread -> share(depth, thread, threadCount));
        for (long share : shares) {
            count += share;
        }
        return count + kept.count();
    }

    private static long share(int depth, int thread, int threads) {
        Keeper keeper = new Keeper();
        long count = 0;
        for (int d = LEAST_DEPTH; d <= depth; d += 2) {
            for (long i = thread; i < trees(depth, d); i += threads) {
                count += countOne(keeper, d);
            }
        }
        return count;
    }

    private static long countOne(Keeper keeper, int depth) {
        Tree tree = Tree.build(depth);
        keeper.drop(tree);
        return tree.count();
    }

    /** How many trees of depth d there are. */
    private static long trees(int depth, int d) {
        return 1L << (depth - d + LEAST_DEPTH);
    }

    /** How many nodes a tree of depth d has. */
    private static long nodes(int d) {
        return (1L << (d + 1)) - 1;
    }
}
