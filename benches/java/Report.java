import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;

/** The result of one run: key=value pairs on one line, or one JSON object with the same keys. */
final class Report {
    private final Map<String, String> plain = new LinkedHashMap<>();
    private final Map<String, String> json = new LinkedHashMap<>();

    /** Adds a count, which is unsigned. */
    void count(String key, long value) {
        add(key, Long.toUnsignedString(value));
    }

    /** Adds a measurement, to three decimals. */
    void number(String key, double value) {
        add(key, String.format(Locale.ROOT, "%.3f", value));
    }

    /** Adds a name, which is a plain word: nothing in it needs an escape. */
    void text(String key, String value) {
        plain.put(key, value);
        json.put(key, '"' + value + '"');
    }

    private void add(String key, String value) {
        plain.put(key, value);
        json.put(key, value);
    }

    /** Adds what every run measures; the collections are those since the start of the process. */
    void elapsed(Stopwatch.Elapsed elapsed) {
        number("wall_s", elapsed.wallSeconds());
        number("cpu_s", elapsed.cpuSeconds());
        number("rss_mb", elapsed.peakRss() / (1 << 20));
        count("cycles", Jvm.cycles());
    }

    /** Adds the percentiles of a mutator's own timing. */
    void latencies(Latencies latencies) {
        number("p50_us", latencies.quantileMicros(0.5));
        number("p99_us", latencies.quantileMicros(0.99));
        number("p999_us", latencies.quantileMicros(0.999));
        number("p9999_us", latencies.quantileMicros(0.9999));
        number("max_us", latencies.quantileMicros(1));
    }

    /** Adds the checksum, if it is what it must be. */
    void check(long found, long expected) throws WrongResultException {
        if (found != expected) {
            throw new WrongResultException(
                    "wrong checksum: "
                            + Long.toUnsignedString(found)
                            + ", expected "
                            + Long.toUnsignedString(expected));
        }
        count("checksum", found);
    }

    /** The value of a key, null if it is not there. */
    String get(String key) {
        return plain.get(key);
    }

    /** The keys in the order in which they were added. */
    String keys() {
        return String.join(" ", plain.keySet());
    }

    String line() {
        return plain.entrySet().stream().map(e -> e.getKey() + '=' + e.getValue()).collect(Collectors.joining(" "));
    }

    String json() {
        return json.entrySet().stream()
                .map(e -> '"' + e.getKey() + "\":" + e.getValue())
                .collect(Collectors.joining(",", "{", "}"));
    }
}
