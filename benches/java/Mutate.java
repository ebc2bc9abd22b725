import java.util.List;

/**
 * {@code mutate}: a live table of K nodes {next, val, three more words}, changed for S seconds.
 *
 * <p>An operation picks a random slot, allocates a node whose next is the current node of another random slot (that
 * node's own next is cut first, so chains stay short), and stores it in the slot. A batch of 16 is timed. T mutators
 * share the table.
 *
 * <p>The words of every node reachable at the end must agree with its val, and the table must be full. With one
 * mutator the run is also played again on plain integers, and every val and next must be the same; the checksum is
 * then a hash of the whole table. With several it is the number of slots.
 */
final class Mutate {
    /** Operations timed together. */
    static final int BATCH = 16;

    /** What one mutator did. */
    private record Played(long ops, Latencies latencies) {}

    private Mutate() {}

    static void run(Args args, Report report) throws Exception {
        int n = (int) args.n;
        NodeTable table = new NodeTable(n);
        List<Played> parts;
        Stopwatch.Elapsed elapsed;
        try (Threads threads = new Threads(args.threads, args.pin)) {
            Stopwatch watch = new Stopwatch();
            parts = threads.run(thread -> play(table, thread, args.seconds));
            elapsed = watch.stop();
        }
        long ops = 0;
        Latencies latencies = new Latencies();
        for (Played part : parts) {
            ops += part.ops;
            latencies.merge(part.latencies);
        }
        report.count("n", n);
        report.count("ops", ops);
        report.number("mops_per_s", ops / elapsed.wallSeconds() / 1e6);
        report.latencies(latencies);
        report.elapsed(elapsed);
        Slots slots = new Slots(n);
        int intact = table.read(slots);
        if (args.threads == 1) {
            report.check(slots.hash(), replay(n, ops).hash());
        } else {
            report.check(intact, n);
        }
    }

    /** The run of thread 0 once more, on plain integers. */
    static Slots replay(int n, long ops) {
        Slots slots = new Slots(n);
        for (int i = 0; i < n; i++) {
            slots.set(i, NodeTable.initial(i), Slots.NONE);
        }
        RandomSource random = new RandomSource(seed(0));
        for (long val = 0; val < ops; val++) {
            int i = random.below(n);
            int j = random.below(n);
            slots.nexts[j] = Slots.NONE;
            slots.set(i, val, slots.vals[j]);
        }
        return slots;
    }

    /** The operations of one thread until the time is over. */
    private static Played play(NodeTable table, int thread, double seconds) {
        RandomSource random = new RandomSource(seed(thread));
        Latencies latencies = new Latencies();
        long end = System.nanoTime() + (long) (seconds * 1e9);
        long ops = 0;
        while (true) {
            long start = System.nanoTime();
            table.batch(random, ((long) thread << 48) + ops);
            long now = System.nanoTime();
            latencies.record(now - start);
            ops += BATCH;
            if (now - end >= 0) {
                return new Played(ops, latencies);
            }
        }
    }

    static long seed(int thread) {
        return 1000 + thread;
    }
}
