/** What some lookups in the cache of {@code lru} gave. */
final class Tally {
    long hits;
    /** Hits whose value was not that of the key. */
    long broken;

    void add(Tally other) {
        hits += other.hits;
        broken += other.broken;
    }
}
