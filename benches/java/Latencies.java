/**
 * A histogram of nanoseconds to three significant digits.
 *
 * <p>Its buckets are those of HdrHistogram, which gc-bench uses: exact below 2048, then 1024 of equal width for each
 * power of two.
 */
final class Latencies {
    private static final int SUB_BUCKETS = 1024;
    /** A latency above a minute counts as a minute. */
    private static final long MOST = 60_000_000_000L;

    private final long[] counts = new long[bucketOf(MOST) + 1];
    private long total;

    static int bucketOf(long nanos) {
        int shift = Math.max(64 - 11 - Long.numberOfLeadingZeros(nanos), 0);
        return shift * SUB_BUCKETS + (int) (nanos >>> shift);
    }

    /** The largest latency that falls into a bucket. */
    static long highest(int bucket) {
        int shift = Math.max(bucket / SUB_BUCKETS - 1, 0);
        return ((bucket - shift * SUB_BUCKETS + 1L) << shift) - 1;
    }

    void record(long nanos) {
        counts[bucketOf(Math.min(nanos, MOST))]++;
        total++;
    }

    /** Adds what another recorded. */
    void merge(Latencies other) {
        for (int bucket = 0; bucket < counts.length; bucket++) {
            counts[bucket] += other.counts[bucket];
        }
        total += other.total;
    }

    /** The latency that the share q of all stayed at or below, in microseconds. */
    double quantileMicros(double q) {
        long rank = Math.max((long) Math.ceil(q * total), 1);
        long seen = 0;
        for (int bucket = 0; bucket < counts.length; bucket++) {
            seen += counts[bucket];
            if (seen >= rank) {
                return highest(bucket) / 1e3;
            }
        }
        return 0;
    }
}
