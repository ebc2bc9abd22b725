/**
 * Zipf-distributed ranks by the method of Gray et al. ("Quickly generating billion-record synthetic databases", 1994),
 * as YCSB has it: one uniform number and at most one power for each draw. Rank 0 is drawn most often.
 */
final class Zipf {
    /** The skew of YCSB. */
    private static final double SKEW = 0.99;

    private final double n;
    private final double zetaN;
    private final double zeta2;
    private final double alpha = 1 / (1 - SKEW);
    private final double eta;

    /** The distribution over the ranks 0 to n-1. Sums zeta(n), which takes a while: once for all threads. */
    Zipf(long n) {
        this.n = n;
        zetaN = zeta(n);
        zeta2 = zeta(2);
        eta = (1 - Math.pow(2 / this.n, 1 - SKEW)) / (1 - zeta2 / zetaN);
    }

    private static double zeta(long n) {
        double sum = 0;
        for (long i = 1; i <= n; i++) {
            sum += Math.pow(i, -SKEW);
        }
        return sum;
    }

    long draw(RandomSource random) {
        double u = (random.next() >>> 11) * 0x1p-53;
        double uz = u * zetaN;
        if (uz < 1) {
            return 0;
        } else if (uz < zeta2) {
            return 1;
        }
        // Rounding may reach n itself.
        return (long) Math.min(n * Math.pow(eta * u - eta + 1, alpha), n - 1);
    }
}
