import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.management.GarbageCollectorMXBean;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;

/** What the JVM and the kernel say of this process. */
final class Jvm {
    private Jvm() {}

    /** The collector's name: java-zgc, java-shenandoah, java-g1, java-parallel or java-serial. */
    static String engine() {
        for (GarbageCollectorMXBean bean : ManagementFactory.getGarbageCollectorMXBeans()) {
            String name = bean.getName();
            if (name.startsWith("ZGC")) {
                return "java-zgc";
            } else if (name.startsWith("Shenandoah")) {
                return "java-shenandoah";
            } else if (name.startsWith("G1")) {
                return "java-g1";
            } else if (name.startsWith("PS")) {
                return "java-parallel";
            } else if (name.equals("Copy")) {
                return "java-serial";
            }
        }
        return "java-unknown";
    }

    /**
     * Collections so far, of all generations. The concurrent collectors list their pauses as well, which are no
     * cycles.
     */
    static long cycles() {
        return ManagementFactory.getGarbageCollectorMXBeans().stream()
                .filter(bean -> !bean.getName().endsWith("Pauses"))
                .mapToLong(GarbageCollectorMXBean::getCollectionCount)
                .sum();
    }

    /** CPU seconds of all threads, the collector's and the compiler's too. */
    static double cpuSeconds() {
        var system = ManagementFactory.getPlatformMXBean(com.sun.management.OperatingSystemMXBean.class);
        return system.getProcessCpuTime() / 1e9;
    }

    /** The peak resident memory in bytes. */
    static double peakRss() {
        // "123456 kB", where kB is 1024 bytes.
        return Double.parseDouble(status("VmHWM").split(" ")[0]) * 1024;
    }

    /** What the kernel says of this process under a name. */
    static String status(String name) {
        try (var lines = Files.lines(Path.of("/proc/self/status"))) {
            String line = lines.filter(l -> l.startsWith(name + ":")).findFirst().orElseThrow();
            return line.substring(name.length() + 1).strip();
        } catch (IOException e) {
            throw new UncheckedIOException("cannot read " + name + " of this process", e);
        }
    }
}
