/** What a run does. */
@FunctionalInterface
interface Workload {
    /** Does the work, adds what it measured, and last its checksum. */
    void run(Args args, Report report) throws Exception;
}
