/**
 * A small, fast, seeded source of random numbers: that of gc-bench (random.rs), so that both draw the same. Xorshift64*
 * (Vigna, 2014), seeded through splitmix64 so that near seeds give far apart streams.
 */
final class RandomSource {
    private long state;

    RandomSource(long seed) {
        // An all-zero state would stay zero; splitmix64 maps exactly one seed to it.
        long mixed = mix(seed);
        state = mixed == 0 ? 1 : mixed;
    }

    /** The next 64 bits. */
    long next() {
        long x = state;
        x ^= x >>> 12;
        x ^= x << 25;
        x ^= x >>> 27;
        state = x;
        return x * 0x2545_F491_4F6C_DD1DL;
    }

    /** A number below a bound, by multiply and shift: no division. */
    int below(int bound) {
        long x = next();
        // The high half of the product of unsigned numbers, from that of signed ones.
        return (int) (Math.multiplyHigh(x, bound) + (x >> 63 & bound));
    }

    /** One step of splitmix64: spreads the bits of x. */
    static long mix(long x) {
        long z = x + 0x9E37_79B9_7F4A_7C15L;
        z = (z ^ z >>> 30) * 0xBF58_476D_1CE4_E5B9L;
        z = (z ^ z >>> 27) * 0x94D0_49BB_1331_11EBL;
        return z ^ z >>> 31;
    }
}
