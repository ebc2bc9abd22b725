import java.util.Arrays;

/**
 * A part of the cache of {@code lru}: a chained hash table with a fixed number of buckets, and a doubly linked recency
 * list, under its own monitor. The table is written by hand, so that collectors are compared and not maps.
 */
final class Shard {
    /** Shards of the cache; the highest bits of a key's hash choose one. */
    static final int COUNT = 64;

    private static final int LEAST_VALUE = 64;
    private static final int MOST_VALUE = 512;

    private static final class Entry {
        final long key;
        final byte[] value;
        /** Towards the front of the recency list. */
        Entry prev;
        /** Towards the end of the recency list. */
        Entry next;
        /** The next entry of the bucket. */
        Entry chain;

        Entry(long key, byte[] value, Entry chain) {
            this.key = key;
            this.value = value;
            this.chain = chain;
        }
    }

    private final Entry[] buckets;
    private final int capacity;
    private int size;
    /** The entry used last. */
    private Entry first;
    private Entry last;

    Shard(int capacity) {
        this.capacity = capacity;
        // The next power of two.
        buckets = new Entry[capacity == 1 ? 1 : Integer.highestOneBit(capacity - 1) << 1];
    }

    /** The shard of a key. */
    static Shard of(Shard[] cache, long key) {
        return cache[(int) (RandomSource.mix(key) >>> 58)];
    }

    int capacity() {
        return capacity;
    }

    synchronized void lookUp(long key, Tally tally) {
        int bucket = bucketOf(key);
        Entry entry = find(bucket, key);
        if (entry != null) {
            tally.hits++;
            tally.broken += looksLikeValueOf(key, entry.value) ? 0 : 1;
            unlink(entry);
            push(entry);
            return;
        }
        entry = new Entry(key, valueOf(key), buckets[bucket]);
        buckets[bucket] = entry;
        push(entry);
        size++;
        if (size > capacity) {
            Entry leaving = last;
            unlink(leaving);
            size--;
            unchain(leaving);
        }
    }

    private int bucketOf(long key) {
        return (int) RandomSource.mix(key) & (buckets.length - 1);
    }

    private Entry find(int bucket, long key) {
        Entry entry = buckets[bucket];
        while (entry != null && entry.key != key) {
            entry = entry.chain;
        }
        return entry;
    }

    /** Takes an entry out of the table. */
    private void unchain(Entry entry) {
        int bucket = bucketOf(entry.key);
        if (buckets[bucket] == entry) {
            buckets[bucket] = entry.chain;
            return;
        }
        Entry before = buckets[bucket];
        while (before.chain != entry) {
            before = before.chain;
        }
        before.chain = entry.chain;
    }

    /** Puts an entry at the front of the recency list. */
    private void push(Entry entry) {
        entry.prev = null;
        entry.next = first;
        if (first == null) {
            last = entry;
        } else {
            first.prev = entry;
        }
        first = entry;
    }

    /** Takes an entry out of the recency list. */
    private void unlink(Entry entry) {
        if (entry.prev == null) {
            first = entry.next;
        } else {
            entry.prev.next = entry.next;
        }
        if (entry.next == null) {
            last = entry.prev;
        } else {
            entry.next.prev = entry.prev;
        }
    }

    /** The number of entries in the list that are as they must be; none if the list itself is not. */
    synchronized int intact() {
        int intact = 0;
        Entry prev = null;
        Entry entry = first;
        for (int i = 0; i < size && entry != null; i++) {
            boolean found = find(bucketOf(entry.key), entry.key) == entry;
            if (isValueOf(entry.key, entry.value) && entry.prev == prev && found) {
                intact++;
            }
            prev = entry;
            entry = entry.next;
        }
        return entry == null && prev == last ? intact : 0;
    }

    /** Spoils the value of the entry used last: how the self-test sees that it would be noticed. */
    synchronized void spoil() {
        first.value[0]++;
    }

    private static byte[] valueOf(long key) {
        byte[] value = new byte[lengthOf(key)];
        Arrays.fill(value, (byte) key);
        return value;
    }

    private static int lengthOf(long key) {
        return LEAST_VALUE + (int) Long.remainderUnsigned(RandomSource.mix(key), MOST_VALUE - LEAST_VALUE + 1);
    }

    private static boolean looksLikeValueOf(long key, byte[] value) {
        byte b = (byte) key;
        return value.length == lengthOf(key) && value[0] == b && value[value.length - 1] == b;
    }

    /** Whether a value is, to its last byte, that of its key. */
    private static boolean isValueOf(long key, byte[] value) {
        for (byte b : value) {
            if (b != (byte) key) {
                return false;
            }
        }
        return value.length == lengthOf(key);
    }
}
