import java.util.Arrays;
import java.util.List;

/**
 * {@code lru}: a cache of N entries under Zipf-distributed keys, shared by T threads for S seconds.
 *
 * <p>64 shards ({@link Shard}) hold N/64 entries each. A key of 4N is drawn with skew 0.99 and looked up. A hit checks
 * the first and the last byte and the length of the value and moves the entry to the front. A miss makes the value, 64
 * to 512 bytes, and the entry; the last entry of a shard that is then over its capacity leaves it. A batch of 16
 * operations is timed, draws included. The keys N-1 to 0 are looked up before the clock starts, which fills the cache
 * but for the few shards to which fewer keys belong; misses fill those.
 *
 * <p>The checksum counts the entries that are intact at the end: the list runs the same way in both directions, the
 * value is that of the key, and the table finds the entry again. It must be the sum of the capacities.
 */
final class Lru {
    /** Operations timed together. */
    private static final int BATCH = 16;

    /** What one thread did. */
    private record LookedUp(long ops, Tally tally, Latencies latencies) {}

    private Lru() {}

    static void run(Args args, Report report) throws Exception {
        int n = (int) args.n;
        Zipf zipf = new Zipf(4L * n);
        Shard[] cache = filled(n);
        List<LookedUp> parts;
        Stopwatch.Elapsed elapsed;
        try (Threads threads = new Threads(args.threads, args.pin)) {
            Stopwatch watch = new Stopwatch();
            parts = threads.run(thread -> lookUp(cache, zipf, thread, args.seconds));
            elapsed = watch.stop();
        }
        long ops = 0;
        Tally tally = new Tally();
        Latencies latencies = new Latencies();
        for (LookedUp part : parts) {
            ops += part.ops;
            tally.add(part.tally);
            latencies.merge(part.latencies);
        }
        if (tally.broken > 0) {
            throw new WrongResultException(tally.broken + " hits found a wrong value");
        }
        report.count("n", n);
        report.count("ops", ops);
        report.number("mops_per_s", ops / elapsed.wallSeconds() / 1e6);
        report.number("hit_rate", (double) tally.hits / ops);
        report.latencies(latencies);
        report.elapsed(elapsed);
        report.check(
                Arrays.stream(cache).mapToLong(Shard::intact).sum(),
                Arrays.stream(cache).mapToLong(Shard::capacity).sum());
    }

    /** A cache in which the keys n-1 to 0 were looked up. */
    static Shard[] filled(int n) {
        int capacity = (n + Shard.COUNT - 1) / Shard.COUNT;
        Shard[] cache = new Shard[Shard.COUNT];
        for (int i = 0; i < cache.length; i++) {
            cache[i] = new Shard(capacity);
        }
        Tally tally = new Tally();
        for (long key = n - 1L; key >= 0; key--) {
            Shard.of(cache, key).lookUp(key, tally);
        }
        return cache;
    }

    /** The operations of one thread until the time is over. */
    private static LookedUp lookUp(Shard[] cache, Zipf zipf, int thread, double seconds) {
        RandomSource random = new RandomSource(Mutate.seed(thread));
        Tally tally = new Tally();
        Latencies latencies = new Latencies();
        long end = System.nanoTime() + (long) (seconds * 1e9);
        long ops = 0;
        while (true) {
            long start = System.nanoTime();
            for (int i = 0; i < BATCH; i++) {
                long key = zipf.draw(random);
                Shard.of(cache, key).lookUp(key, tally);
            }
            long now = System.nanoTime();
            latencies.record(now - start);
            ops += BATCH;
            if (now - end >= 0) {
                return new LookedUp(ops, tally, latencies);
            }
        }
    }
}
