import java.util.List;

/**
 * {@code alloc}: N garbage nodes of two references, only the last one alive; split over T threads.
 *
 * <p>The checksum counts the nodes, batch by batch, and counts a batch only if the node that it left alive still has
 * its two nulls after the next one.
 */
final class Alloc {
    /** Allocations after which the survivor is looked at. */
    private static final int BATCH = 256;

    private static final class Node {
        Node left;
        Node right;
    }

    private Alloc() {}

    static void run(Args args, Report report) throws Exception {
        List<Long> counts;
        Stopwatch.Elapsed elapsed;
        try (Threads threads = new Threads(args.threads, args.pin)) {
            Stopwatch watch = new Stopwatch();
            // The first threads take one more where N does not divide.
            counts = threads.run(i -> allocate(args.n / args.threads + (i < args.n % args.threads ? 1 : 0)));
            elapsed = watch.stop();
        }
        report.count("n", args.n);
        report.number("ns_per_op", elapsed.wallSeconds() * 1e9 / args.n);
        report.elapsed(elapsed);
        report.check(counts.stream().mapToLong(Long::longValue).sum(), args.n);
    }

    private static long allocate(long n) {
        Keeper keeper = new Keeper();
        keeper.keep(new Node());
        long count = 0;
        for (long left = n; left > 0; left -= BATCH) {
            int batch = (int) Math.min(left, BATCH);
            Node kept = (Node) keeper.kept();
            boolean intact = kept.left == null && kept.right == null;
            for (int i = 0; i < batch; i++) {
                keeper.keep(new Node());
            }
            count += intact ? batch : 0;
        }
        return count;
    }
}
