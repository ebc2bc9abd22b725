import java.util.Arrays;

/**
 * The workloads of gc-bench under the collectors of the JVM.
 *
 * <p>One run does one workload, checks its own result, and prints one line (or one JSON object) with the keys of
 * gc-bench. The work is that of the Rust program: the same sizes, the same random numbers, nodes of the same fields,
 * and the same checksums. What each workload does is written at the head of its class.
 */
final class GcBench {
    private GcBench() {}

    public static void main(String[] words) {
        System.exit(exitCode(words));
    }

    private static int exitCode(String[] words) {
        if (Arrays.asList(words).contains("--help") || Arrays.asList(words).contains("-h")) {
            System.out.print(Args.HELP);
            return 0;
        }
        String workload = words.length > 0 ? words[0] : "";
        try {
            if (workload.equals("selftest")) {
                SelfTest.run();
                System.out.println("selftest passed");
                return 0;
            }
            Args args = Args.parse(words);
            Report report = run(args);
            System.out.println(args.json ? report.json() : report.line());
            return 0;
        } catch (UsageException e) {
            System.err.println("GcBench: " + e.getMessage());
            return 2;
        } catch (WrongResultException e) {
            System.err.println("GcBench " + workload + ": " + e.getMessage());
            return 1;
        } catch (Exception | OutOfMemoryError | AssertionError e) {
            System.err.println("GcBench " + workload + ": " + e);
            return 1;
        }
    }

    /** Does the work of one command line. */
    static Report run(Args args) throws Exception {
        Report report = new Report();
        report.text("workload", args.workload);
        report.text("engine", Jvm.engine());
        report.count("threads", args.threads);
        if (args.pin) {
            // For what runs on this thread; mutator threads of their own are pinned as they are made.
            Cores.pinThisThread(0);
        }
        Args.WORKLOADS.get(args.workload).workload().run(args, report);
        return report;
    }
}
