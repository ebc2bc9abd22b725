/**
 * {@code mark}: a live random graph of N nodes {a, b, payload}, then five forced full collections.
 *
 * <p>One live array holds all nodes; a and b of each point to uniformly random ones. In sequential order the array
 * lists the nodes in the order in which they were allocated, so the marker walks memory in order; shuffled it is a
 * random permutation of that order. A collection is {@code System.gc}, which waits for its end with every collector;
 * what moves objects moves them in its time.
 *
 * <p>The checksum adds up the payloads, 0 to N-1, seen through the array, and is right only if the edges lead to the
 * same payloads after the collections as before.
 */
final class Mark {
    private static final int COLLECTIONS = 5;

    static final class Vertex {
        Vertex a;
        Vertex b;
        final long payload;

        Vertex(long payload) {
            this.payload = payload;
        }
    }

    /** The sum of the payloads, and a sum over all edges of a mix of both ends. */
    record Sums(long payloads, long edges) {}

    private Mark() {}

    static void run(Args args, Report report) throws Exception {
        int n = (int) args.n;
        Stopwatch watch = new Stopwatch();
        Vertex[] graph = build(n, args.shuffled);
        Sums before = walk(graph);
        double[] times = new double[COLLECTIONS];
        for (int i = 0; i < COLLECTIONS; i++) {
            long start = System.nanoTime();
            System.gc();
            times[i] = (System.nanoTime() - start) / 1e9;
        }
        Stopwatch.Elapsed elapsed = watch.stop();
        double median = Stopwatch.median(times);
        report.text("order", args.shuffled ? "shuffled" : "sequential");
        report.count("n", n);
        report.number("median_ms", median * 1e3);
        report.number("mnodes_per_s", n / median / 1e6);
        report.elapsed(elapsed);
        Sums after = walk(graph);
        if (!after.equals(before)) {
            throw new WrongResultException("the graph changed: " + before + " before, " + after + " after");
        }
        report.check(after.payloads, (long) n * (n - 1) / 2);
    }

    static Vertex[] build(int n, boolean shuffled) {
        RandomSource random = new RandomSource(42);
        Vertex[] graph = new Vertex[n];
        for (int i = 0; i < n; i++) {
            graph[i] = new Vertex(i);
        }
        if (shuffled) {
            // Fisher and Yates, in place: a permutation on the side would show in the resident memory.
            for (int i = 0; i < n; i++) {
                int j = i + random.below(n - i);
                Vertex here = graph[i];
                graph[i] = graph[j];
                graph[j] = here;
            }
        }
        for (Vertex vertex : graph) {
            vertex.a = graph[random.below(n)];
            vertex.b = graph[random.below(n)];
        }
        return graph;
    }

    static Sums walk(Vertex[] graph) {
        long payloads = 0;
        long edges = 0;
        for (Vertex v : graph) {
            payloads += v.payload;
            edges += RandomSource.mix(v.payload ^ RandomSource.mix(v.a.payload ^ RandomSource.mix(v.b.payload)));
        }
        return new Sums(payloads, edges);
    }
}
