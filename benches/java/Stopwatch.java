/** Runs over wall time and the CPU time of the whole process, from its making. */
final class Stopwatch {
    private final double cpu = Jvm.cpuSeconds();
    private final long wall = System.nanoTime();

    /**
     * What a stopwatch saw.
     *
     * @param wallSeconds wall time
     * @param cpuSeconds CPU time of all threads, the collector's too
     * @param peakRss the peak resident memory by then, in bytes: what checks the result comes later
     */
    record Elapsed(double wallSeconds, double cpuSeconds, double peakRss) {}

    Elapsed stop() {
        double wallSeconds = (System.nanoTime() - wall) / 1e9;
        return new Elapsed(wallSeconds, Jvm.cpuSeconds() - cpu, Jvm.peakRss());
    }

    /** The middle value, the upper one of two. */
    static double median(double[] values) {
        double[] sorted = values.clone();
        java.util.Arrays.sort(sorted);
        return sorted[sorted.length / 2];
    }
}
