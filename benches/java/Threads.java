import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.IntFunction;

/** Mutator threads, made before the clock starts: to pin one takes a process. */
final class Threads implements AutoCloseable {
    private final int count;
    private final ExecutorService pool;

    /** Makes the threads, each on a core of its own if they are pinned. */
    Threads(int count, boolean pin) throws Exception {
        this.count = count;
        pool = Executors.newFixedThreadPool(count);
        AtomicInteger core = new AtomicInteger();
        Callable<Void> prepare =
                () -> {
                    if (pin) {
                        Cores.pinThisThread(core.getAndIncrement());
                    }
                    return null;
                };
        try {
            together(Collections.nCopies(count, prepare));
        } catch (Exception e) {
            close();
            throw e;
        }
    }

    /** Runs work(i) on all threads, which start together, and returns what each gave. */
    <R> List<R> run(IntFunction<R> work) throws Exception {
        List<Callable<R>> tasks = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            int thread = i;
            tasks.add(() -> work.apply(thread));
        }
        return together(tasks);
    }

    /** The barrier gives every thread one task: none is free for a second before all have one. */
    private <R> List<R> together(List<Callable<R>> tasks) throws Exception {
        CyclicBarrier start = new CyclicBarrier(count);
        List<Future<R>> futures = new ArrayList<>();
        for (Callable<R> task : tasks) {
            futures.add(
                    pool.submit(
                            () -> {
                                start.await();
                                return task.call();
                            }));
        }
        List<R> results = new ArrayList<>();
        for (Future<R> future : futures) {
            try {
                results.add(future.get());
            } catch (ExecutionException e) {
                if (e.getCause() instanceof Exception cause) {
                    throw cause;
                } else if (e.getCause() instanceof Error cause) {
                    throw cause;
                }
                throw e;
            }
        }
        return results;
    }

    @Override
    public void close() {
        pool.shutdown();
    }
}
