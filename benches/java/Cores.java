import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * Binds threads to cores. The JVM has no call for it: taskset(1) is told the number that the kernel has for the
 * thread.
 */
final class Cores {
    /** The cores of the process as it was started: a pinned thread sees only its own. */
    private static final List<Integer> ALLOWED = allowed();

    private Cores() {}

    private static List<Integer> allowed() {
        List<Integer> cores = new ArrayList<>();
        // For example "0-3,8": of the main thread, which is never pinned.
        for (String range : Jvm.status("Cpus_allowed_list").split(",")) {
            String[] ends = range.split("-");
            int last = Integer.parseInt(ends[ends.length - 1]);
            for (int core = Integer.parseInt(ends[0]); core <= last; core++) {
                cores.add(core);
            }
        }
        return cores;
    }

    /** Binds the calling thread to the i-th of the cores, counted round. */
    static void pinThisThread(int i) throws IOException, InterruptedException {
        // The link is to PID/task/TID.
        String thread = Files.readSymbolicLink(Path.of("/proc/thread-self")).getFileName().toString();
        String core = ALLOWED.get(i % ALLOWED.size()).toString();
        Process taskset =
                new ProcessBuilder("taskset", "-c", "-p", core, thread)
                        .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                        .redirectError(ProcessBuilder.Redirect.INHERIT)
                        .start();
        if (taskset.waitFor() != 0) {
            throw new IOException("taskset cannot bind mutator " + i + " to core " + core);
        }
    }
}
