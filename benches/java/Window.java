import java.util.Arrays;

/**
 * {@code window}: a ring of 200,000 live messages, each a fresh 1 KiB byte array filled with the low byte of its
 * number; M are pushed. Each push (allocation, fill, store) is timed on the mutator.
 *
 * <p>The checksum adds up all bytes in the ring at the end; each must be that of its message.
 */
final class Window {
    /** Slots of the ring. */
    private static final int WINDOW = 200_000;

    private static final int SIZE = 1024;

    private Window() {}

    static void run(Args args, Report report) throws Exception {
        int n = (int) args.n;
        byte[][] ring = new byte[WINDOW][];
        Latencies latencies = new Latencies();
        Stopwatch watch = new Stopwatch();
        push(n, ring, latencies);
        Stopwatch.Elapsed elapsed = watch.stop();
        report.count("n", n);
        report.latencies(latencies);
        report.elapsed(elapsed);
        long sum = 0;
        long expected = 0;
        for (int i = Math.max(n - WINDOW, 0); i < n; i++) {
            sum += sum(ring[i % WINDOW], (byte) i);
            expected += (long) (i & 0xff) * SIZE;
        }
        report.check(sum, expected);
    }

    private static void push(int n, byte[][] ring, Latencies latencies) {
        for (int i = 0; i < n; i++) {
            long start = System.nanoTime();
            byte[] message = new byte[SIZE];
            Arrays.fill(message, (byte) i);
            ring[i % WINDOW] = message;
            latencies.record(System.nanoTime() - start);
        }
    }

    /** The sum of the bytes of a message, or what no message has. */
    private static long sum(byte[] message, byte expected) {
        long sum = 0;
        for (byte b : message) {
            if (b != expected) {
                return 0xffff_ffffL;
            }
            sum += b & 0xff;
        }
        return sum;
    }
}
