import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** A parsed and checked command line. */
final class Args {
    static final String HELP =
            """
            GcBench: the workloads of gc-bench under the collectors of the JVM

            usage: java [OPTION OF THE JVM ...] -cp DIR GcBench WORKLOAD [OPTION ...]

            workloads, and the options of each with their defaults
              alloc    garbage nodes of two references     --n 100000000 nodes  --threads 1
              btree    binary-trees                        --depth 18  --threads 1
              gcbench  Boehm, Ellis and Kovac's GCBench    --n 5 runs
              mark     collections of a live random graph  --n 10000000 nodes  --order sequential
              window   a ring of 200,000 live messages     --n 5000000 pushes
              mutate   random stores into a live table     --n 2000000 nodes  --seconds 20  --threads 1
              lru      a cache under Zipf's keys           --n 1000000 entries  --seconds 20  --threads 2
              selftest every workload small, and the checks of the checks

            options
              --n N            size of the work; what it counts depends on the workload
              --threads T      mutator threads
              --seconds S      how long mutate and lru run
              --depth D        depth of the long-lived tree of btree
              --order O        sequential: nodes lie in memory in the order of the array; shuffled: they do not
              --pin            mutators on the first cores, by taskset(1), one each
              --json           one JSON object instead of one line of key=value
              --help           this text

            options of the JVM that matter
              -XX:+UseZGC, -XX:+UseShenandoahGC, -XX:+UseG1GC   the collector
              -Xmx4g                                            the heap's bound, which sets its pace
              -XX:ParallelGCThreads=1 -XX:ConcGCThreads=1       one marker

            exit code: 0 good, 1 a wrong checksum or a failed run, 2 a wrong command line
            """;

    /** A workload, the options that it has beside --pin and --json, and two of their defaults. */
    record Spec(Workload workload, List<String> options, long n, int threads) {}

    static final Map<String, Spec> WORKLOADS =
            new TreeMap<>(
                    Map.of(
                            "alloc", new Spec(Alloc::run, List.of("--n", "--threads"), 100_000_000, 1),
                            "btree", new Spec(Btree::run, List.of("--depth", "--threads"), 1, 1),
                            "gcbench", new Spec(BoehmBench::run, List.of("--n"), 5, 1),
                            "mark", new Spec(Mark::run, List.of("--n", "--order"), 10_000_000, 1),
                            "window", new Spec(Window::run, List.of("--n"), 5_000_000, 1),
                            "mutate",
                                    new Spec(Mutate::run, List.of("--n", "--threads", "--seconds"), 2_000_000, 1),
                            "lru", new Spec(Lru::run, List.of("--n", "--threads", "--seconds"), 1_000_000, 2)));

    final String workload;
    long n;
    int threads;
    double seconds = 20;
    int depth = 18;
    boolean shuffled;
    boolean pin;
    boolean json;

    private Args(String workload, Spec spec) {
        this.workload = workload;
        n = spec.n();
        threads = spec.threads();
    }

    static Args parse(String... words) throws UsageException {
        String names = String.join(", ", WORKLOADS.keySet());
        if (words.length == 0) {
            throw new UsageException("no workload given; one of " + names);
        }
        Spec spec = WORKLOADS.get(words[0]);
        if (spec == null) {
            throw new UsageException("workload is one of " + names + ", not \"" + words[0] + '"');
        }
        Args args = new Args(words[0], spec);
        Iterator<String> rest = Arrays.asList(words).subList(1, words.length).iterator();
        while (rest.hasNext()) {
            String word = rest.next();
            int equals = word.indexOf('=');
            String option = equals < 0 ? word : word.substring(0, equals);
            if (option.equals("--json") || option.equals("--pin")) {
                if (equals >= 0) {
                    throw new UsageException(option + " takes no value");
                }
                args.json |= option.equals("--json");
                args.pin |= option.equals("--pin");
                continue;
            }
            if (option.equals("--gc-percent") || option.equals("--procs")) {
                throw new UsageException(option + " means nothing to a JVM, which has -Xmx and -XX:ParallelGCThreads");
            }
            if (!spec.options().contains(option)) {
                String own = String.join(", ", spec.options());
                throw new UsageException(args.workload + " has no " + option + "; its own options are " + own);
            }
            if (equals < 0 && !rest.hasNext()) {
                throw new UsageException(option + " needs a value");
            }
            args.set(option, equals < 0 ? rest.next() : word.substring(equals + 1));
        }
        if (args.workload.equals("alloc") && args.threads > args.n) {
            throw new UsageException("--threads " + args.threads + " is more than --n " + args.n);
        }
        return args;
    }

    private void set(String option, String value) throws UsageException {
        switch (option) {
            // Some slots of an array must be left for the JVM.
            case "--n" -> n = whole(option, value, 1, workload.equals("alloc") ? 1L << 40 : Integer.MAX_VALUE - 8);
            case "--threads" -> threads = (int) whole(option, value, 1, 1024);
            case "--depth" -> depth = (int) whole(option, value, 4, 30);
            case "--seconds" -> seconds = seconds(value);
            case "--order" -> {
                if (!value.equals("sequential") && !value.equals("shuffled")) {
                    throw new UsageException("--order is one of sequential, shuffled, not \"" + value + '"');
                }
                shuffled = value.equals("shuffled");
            }
            default -> throw new IllegalStateException(option);
        }
    }

    private static long whole(String option, String word, long least, long most) throws UsageException {
        try {
            long value = Long.parseLong(word.replace("_", ""));
            if (value >= least && value <= most) {
                return value;
            }
        } catch (NumberFormatException e) {
            // Said below, as for a number out of bounds.
        }
        throw new UsageException(option + " is a number from " + least + " to " + most + ", not \"" + word + '"');
    }

    private static double seconds(String word) throws UsageException {
        try {
            double value = Double.parseDouble(word);
            if (value >= 0.01 && value <= 86_400) {
                return value;
            }
        } catch (NumberFormatException e) {
            // Said below, as for a number out of bounds.
        }
        throw new UsageException("--seconds is a number from 0.01 to 86400, not \"" + word + '"');
    }
}
