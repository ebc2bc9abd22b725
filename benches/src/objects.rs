//! The objects of the workloads, as traits. An implementation with some kind of pointer runs
//! `alloc`, `btree`, `gcbench`, `window` and `mutate`, which are written once.
//!
//! Where engines would access a field in different ways, the traits name an operation of a workload
//! instead. Engines whose pointers do not outlive a closure or a borrow (our heap, `gc-arena`, the
//! arenas) implement the traits of the workloads themselves.

#![forbid(unsafe_code)]

/// Bytes of a message.
pub(crate) const MESSAGE: usize = 1024;

/// Pointers that a program can hold anywhere.
pub(crate) trait Pointers: 'static {
    /// Whether the compiler turns the allocation of a known zero object into a `calloc`. glibc's
    /// takes three times as long as its `malloc`, so the zeros are hidden then.
    const BECOMES_CALLOC: bool = false;

    /// An object of two pointers that never change.
    type Pair;
    /// An object of two pointers that change, and two numbers, which are 0.
    type Node;
    /// An object of bytes.
    type Message;

    /// A new pair.
    fn pair(left: Option<Self::Pair>, right: Option<Self::Pair>) -> Self::Pair;
    /// The two pointers of a pair.
    fn sides(pair: &Self::Pair) -> (Option<&Self::Pair>, Option<&Self::Pair>);

    /// A new node.
    fn node(left: Option<Self::Node>, right: Option<Self::Node>) -> Self::Node;
    /// Makes a tree of that depth below a fresh node. Each node is stored into its parent before
    /// its own children are made.
    fn populate(node: &mut Self::Node, depth: u32);
    /// The number of nodes of a tree.
    fn size(node: &Self::Node) -> u64;

    /// A new message of one byte all over; not given as an array, which would be copied.
    fn message(fill: u8) -> Self::Message;
    /// Its bytes.
    fn bytes(message: &Self::Message) -> &[u8; MESSAGE];

    /// Called when a workload leaves a batch. Does what the program must do itself for its memory
    /// to be reclaimed.
    #[inline(always)]
    fn rest() {}
}

/// Pointers that can share an object, and fields for them that change.
pub(crate) trait SharedPointers: Pointers {
    /// An object of a changing pointer and four words.
    type Link;
    /// A field that holds a pointer to a link, or none.
    type Slot;

    /// A new object.
    fn link(next: Option<Self::Link>, val: u64, words: [u64; 3]) -> Self::Link;
    /// Its pointer.
    fn next(link: &Self::Link) -> &Self::Slot;
    /// Its words.
    fn words(link: &Self::Link) -> (u64, [u64; 3]);

    /// A field that holds `link`.
    fn slot(link: Option<Self::Link>) -> Self::Slot;
    /// Another pointer to the object in the field.
    fn load(slot: &Self::Slot) -> Option<Self::Link>;
    /// Puts `link` into the field and returns the old one, which the caller drops outside of any
    /// lock.
    fn replace(slot: &Self::Slot, link: Option<Self::Link>) -> Option<Self::Link>;
}
