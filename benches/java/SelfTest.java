import java.util.List;

/** Runs every workload small, compares what is known of it, and checks that the checks can fail. */
final class SelfTest {
    private static final String PERCENTILES = "p50_us p99_us p999_us p9999_us max_us";

    private SelfTest() {}

    static void run() throws Exception {
        workloads();
        sameAsRust();
        wrongResults();
        histogram();
        commandLines();
    }

    private static void workloads() throws Exception {
        workload("alloc --n 3001 --threads 2", "n ns_per_op", "3001");
        workload("btree --depth 7 --threads 2", "depth", "8798");
        workload("btree --depth 8", "depth", "25774");
        workload("gcbench --n 1", "n run_s", "480561");
        workload("mark --n 1001", "order n median_ms mnodes_per_s", "500500");
        workload("mark --n 1000 --order shuffled", "order n median_ms mnodes_per_s", "499500");
        workload("window --n 1500", "n " + PERCENTILES, "191784960");
        workload("mutate --n 100 --seconds 0.02", "n ops mops_per_s " + PERCENTILES, null);
        workload("mutate --n 100 --seconds 0.02 --threads 2 --pin", "n ops mops_per_s " + PERCENTILES, "100");
        workload("lru --n 1000 --seconds 0.2", "n ops mops_per_s hit_rate " + PERCENTILES, "1024");
    }

    private static void workload(String line, String keys, String checksum) throws Exception {
        Report report = GcBench.run(Args.parse(line.split(" ")));
        String expected = "workload engine threads " + keys + " wall_s cpu_s rss_mb cycles checksum";
        require(report.keys().equals(expected), line + ": keys " + report.keys());
        String found = report.get("checksum");
        require(checksum == null || found.equals(checksum), line + ": checksum " + found);
        require(!report.get("engine").equals("java-unknown"), "an unknown collector");
    }

    /** The values are from runs of gc-bench, the Rust program. */
    private static void sameAsRust() {
        mutate(1000, 400_912, 5003629580221722093L);
        mutate(100, 610_832, Long.parseUnsignedLong("16397816455084633589"));
        long sequential = Mark.walk(Mark.build(1001, false)).edges();
        require(sequential == Long.parseUnsignedLong("10215093055337085163"), "edges in sequential order");
        long shuffled = Mark.walk(Mark.build(1001, true)).edges();
        require(shuffled == Long.parseUnsignedLong("12768588188069540403"), "edges in shuffled order");
        Shard[] cache = Lru.filled(10_000);
        Zipf zipf = new Zipf(40_000);
        RandomSource random = new RandomSource(Mutate.seed(0));
        Tally tally = new Tally();
        for (int i = 0; i < 100_000; i++) {
            long key = zipf.draw(random);
            Shard.of(cache, key).lookUp(key, tally);
        }
        require(tally.hits == 83_356 && tally.broken == 0, "hits: " + tally.hits + ", broken: " + tally.broken);
    }

    private static void mutate(int n, long ops, long expected) {
        NodeTable table = new NodeTable(n);
        RandomSource random = new RandomSource(Mutate.seed(0));
        for (long first = 0; first < ops; first += Mutate.BATCH) {
            table.batch(random, first);
        }
        Slots slots = new Slots(n);
        require(table.read(slots) == n, "slots that are intact");
        require(slots.hash() == expected, "the hash of the table");
        require(Mutate.replay(n, ops).hash() == expected, "the hash of the replay");
    }

    private static void wrongResults() {
        Report report = new Report();
        try {
            report.check(1, 2);
            throw new AssertionError("a wrong checksum was not refused");
        } catch (WrongResultException e) {
            require(e.getMessage().equals("wrong checksum: 1, expected 2"), e.getMessage());
        }
        require(report.keys().isEmpty(), "a wrong checksum was reported");

        Shard shard = new Shard(2);
        Tally tally = new Tally();
        for (long key : new long[] {7, 8, 7, 9, 7, 9, 8}) {
            shard.lookUp(key, tally); // Least recent first out: 9 takes the place of 8.
        }
        require(tally.hits == 3 && tally.broken == 0 && shard.intact() == 2, "least recent first out");
        shard.spoil();
        shard.lookUp(8, tally);
        require(tally.broken == 1 && shard.intact() == 1, "a spoiled value");
    }

    private static void histogram() {
        Latencies latencies = new Latencies();
        for (long nanos = 1; nanos <= 1_000_000; nanos++) {
            latencies.record(nanos);
        }
        Latencies other = new Latencies();
        other.record(1_000_000_000_000L);
        latencies.merge(other);
        double[][] quantiles = {{0.001, 1}, {0.5, 500}, {0.99, 990}, {0.999, 999}, {1, 6e7}};
        for (double[] quantile : quantiles) {
            double found = latencies.quantileMicros(quantile[0]);
            require(found >= quantile[1] && found <= quantile[1] * 1.001, "quantile " + quantile[0] + ": " + found);
        }
        for (long nanos : new long[] {0, 1, 2047, 2048, 4095, 4096, 123_456_789, 60_000_000_000L}) {
            int bucket = Latencies.bucketOf(nanos);
            boolean above = bucket == 0 || Latencies.highest(bucket - 1) < nanos;
            require(above && nanos <= Latencies.highest(bucket), "the bucket of " + nanos);
        }
    }

    private static void commandLines() throws Exception {
        Args args = Args.parse("mutate", "--n=1_000", "--seconds", "0.5", "--threads", "2", "--json");
        require(args.n == 1000 && args.seconds == 0.5 && args.threads == 2 && args.json, "a good command line");
        List<String[]> wrong =
                List.of(
                        new String[] {"no workload given"},
                        new String[] {"workload is one of alloc", "nothing"},
                        new String[] {"--n needs a value", "alloc", "--n"},
                        new String[] {"--n is a number from 1", "alloc", "--n", "0"},
                        new String[] {"--n is a number from 1", "alloc", "--n", "x"},
                        new String[] {"alloc has no --depth", "alloc", "--depth", "8"},
                        new String[] {"more than --n", "alloc", "--n", "1", "--threads", "2"},
                        new String[] {"--order is one of", "mark", "--order", "random"},
                        new String[] {"--seconds is a number from", "mutate", "--seconds", "NaN"},
                        new String[] {"means nothing to a JVM", "mutate", "--gc-percent", "100"},
                        new String[] {"--pin takes no value", "alloc", "--pin=yes"});
        for (String[] words : wrong) {
            try {
                Args.parse(java.util.Arrays.copyOfRange(words, 1, words.length));
                throw new AssertionError("not refused: " + String.join(" ", words));
            } catch (UsageException e) {
                require(e.getMessage().contains(words[0]), e.getMessage());
            }
        }
    }

    private static void require(boolean good, String what) {
        if (!good) {
            throw new AssertionError(what);
        }
    }
}
