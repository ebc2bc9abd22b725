//! Behaviours that other suites check and that have no test here, each with the reason. The house
//! test makes the tables of `docs/BEHAVIOURS.md` of these comments and of those at the tests.

// behaviour (gc-arena): the root's type is exchanged between two mutations
// origin: test_map
// not here: there is no root type of a heap; roots are values of any type

// behaviour (gc-arena): pointers are cast to a prefix of their type, also an over-aligned one
// origin: cast, lesser_aligned_prefix_has_same_ptr
// not here: a pointer keeps its type; there is no cast

// behaviour (gc-arena): a pointer is made again from its address
// origin: ptr_magic
// not here: there is no way from an address to a `Gc`

// behaviour (gc-arena): boxed trait objects inside an object are traced
// origin: dyn_collect
// not here: trait objects are held as `Gc<dyn …>`, see `boa` below; a box of one has no `Trace`

// behaviour (gc-arena): types of no size share one address
// origin: zst_cache
// not here: each has a slot and an address of its own, see odd sizes above

// behaviour (gc-arena): thin pointers to slices and strings
// origin: test_thin_slice, test_thin_slice_with_header, test_thin_str
// not here: a pointer to a slice has its length beside it

// behaviour (gc-arena): constants attached to a type are reached through a pointer
// origin: test_type_metadata, test_type_meta_same_types
// not here: types carry no data of users

// behaviour (gc-arena): projections to fields of what is written must be places
// origin: ui: bad_write_field_projections
// not here: writes go through cells and guards, not through projections

// behaviour (rust-gc): a guard is mapped to a part of the content
// origin: gc_cell_ref: test_gc_cell_ref_mut_map, issue 117
// not here: guards are not mapped

// behaviour (rust-gc): a box becomes an object
// origin: from_box
// not here: objects are made from values, slices and iterators

// behaviour (rust-gc): a pointer is taken apart and put together
// origin: from_raw: test_into_raw
// not here: there is no way from an address to a `Gc`

// behaviour (rust-gc): objects are serialised
// origin: serde
// not here: no serialisation is offered

// behaviour (rust-gc): methods take the pointer as `self`
// origin: gc_self_method
// not here: it needs an unstable feature of the language

// behaviour (dumpster): the count of references, and death at its zero
// origin: ref_count
// not here: nothing is counted; roots are, see `api` (roots are shared and compared)

// behaviour (dumpster): objects from boxes and vectors
// origin: from_box, from_vec
// not here: objects are made from values, slices and iterators

// behaviour (dumpster): an object is changed in place, or copied if it is shared
// origin: make_mut, make_mut_2, make_mut_of_object_in_dumpster
// not here: objects are shared from the start; cells and locks change them

// behaviour (dumpster): a panic while such an object is made
// origin: panic_new_cyclic, new_cyclic_panic
// not here: an object exists before a pointer to it does

// behaviour (boa_gc): pointers without their type, and back
// origin: erased: erased_gc, c_style_inheritance
// not here: a pointer keeps its type; traits are the way to mix types

// behaviour (Oilpan): roots convert to base classes
// origin: PersistentTest: ImplicitUpcast, ExplicitDowncast, HeterogeneousConversion
// not here: there is no inheritance; see pointers to trait objects

// behaviour (Oilpan): a root remembers where it was made
// origin: PersistentTest.PersistentTraceLocation
// not here: roots carry no source location

// behaviour (Oilpan): a root is used by its own thread only
// origin: PersistentDeathTest.CheckCreationThread
// not here: every root may be used and dropped on every thread

// behaviour (Oilpan): fields are compressed
// origin: MemberTest.CompressDecompress
// not here: pointers are whole words

// behaviour (Oilpan): the barrier leaves what is marked
// origin: WriteBarrierTest: BailoutIfMarked, DijkstraWriteBarrierBailoutIfMarked
// not here: not to be seen from outside; a second shade changes nothing

// behaviour (Oilpan): sentinel values pass the barrier
// origin: WriteBarrierTest: MemberSetSentinelValueNoBarrier, MemberCopySentinelValueNoBarrier
// not here: there is null, and no other value that is no object

// behaviour (Oilpan): generations, age tables, remembered sets
// origin: MinorGCTest, MinorGCTestForType, AgeTableTest, WriteBarrierTest.SteeleWriteBarrier…
// not here: there are no generations

// behaviour (Oilpan): objects that forbid concurrent tracing
// origin: ConcurrentMarkingTest.NotConcurrentlyTraceableObjectIsNotTracedConcurrently
// not here: contents are `Send + Sync`, and all tracing is concurrent

// behaviour (Oilpan): an object in construction is found
// origin: MarkerTest.InConstruction…, ConcurrentMarkingTest.MarkingInConstructionObjects,
//   GarbageCollectedTestWithHeap
// not here: a value is complete before it becomes an object

// behaviour (Oilpan): the stack is searched for pointers
// origin: GCStackTest, ConservativeTracerTest, MarkerTest.ObjectReachableFromStackIsMarked,
//   GCHeapTest.ConservativeGCRetainsObjectOnStack
// not here: no stack is searched; pointers cannot leave `mutate`

// behaviour (Oilpan): destructors that make objects for ever at the end
// origin: GCHeapDeathTest: LargeChainOfNewStatesPersistent, TerminateProhibitsAllocation
// not here: a heap ends when it has no handle, and without one nothing is allocated

// behaviour (Oilpan): large pages are zeroed
// origin: CppgcAllocationTest.LargePagesAreZeroedOut
// not here: objects are initialised by their values

// behaviour (Oilpan): prefinalizers
// origin: PrefinalizerTest, PrefinalizerDeathTest
// not here: there are none; destructors see no other object

// behaviour (Oilpan): an object is freed or resized by hand
// origin: ExplicitManagementTest
// not here: nothing is freed by hand

// behaviour (Oilpan): objects move
// origin: CompactorTest
// not here: objects do not move

// behaviour (Oilpan): spaces of users
// origin: TestWithHeapWithCustomSpaces, TestWithHeapWithCompactableCustomSpaces
// not here: there is a space for each type already, and no other

// behaviour (Oilpan): when a platform's task runs a collection, and how long a step is
// origin: GCInvokerTest, IncrementalMarkingScheduleTest
// not here: the collector has threads of its own, and no steps

// behaviour (Oilpan): freed memory is poisoned
// origin: AsanTest.ObjectPoisoningInDestructor, LsanTest
// not here: it is the business of the sanitizer and verifying builds (`ci/sanitize.sh`,
//   `ci/verify.sh`)

// behaviour (Oilpan): names of types
// origin: NameTraitTest
// not here: objects have no names

// behaviour (Oilpan): mixins, object starts, header words, free lists, page memory, guard pages,
//   work lists
// origin: GarbageCollectedTest, ObjectStartBitmapTest, HeapObjectHeaderTest, FreeListTest,
//   PageTest, PageMemoryTest, WorkloadsTest
// not here: parts inside of that collector; ours have unit tests and loom models

// behaviour (Oilpan): an ephemeron without key or value, or with a key in construction
// origin: EphemeronPairTest: EmptyKey, EmptyValue, EphemeronPairWithKeyInConstruction
// not here: both are complete objects, never null

// behaviour (Oilpan): a weak container is found from the stack
// origin: WeakContainerTest: ConservativeGCTracesWeakContainer,
//   ConservativeGCTracesWeakContainerOnce
// not here: no stack is searched

// behaviour (Go): the time of the last collection
// origin: TestGcLastTime
// not here: the counters have no clock; the cycle trace has

// behaviour (Go): a collection every few minutes
// origin: TestPeriodicGC
// not here: cycles start by size; a heap at rest costs nothing

// behaviour (Go): a thread preempted, its stack moved or shrunk during a collection
// origin: TestGCTestMoveStackOnNextCall, TestDeferKeepAlive, issue 9400
// not here: no stack is searched or moved, and no thread is stopped

// behaviour (Go): pointers that keep their own object alive are reported
// origin: TestDetectFinalizerAndCleanupLeaks
// not here: nothing looks for such leaks; a root in an object of its heap keeps its target, see
//   `api`

// behaviour (Go): pointers are told apart by where they point
// origin: TestGCTestPointerClass
// not here: a `Gc` points to the start of an object of its heap

// behaviour (Go): a freed object that is still marked is reported
// origin: TestGcZombieReporting
// not here: the verifying build refuses a mark without an object

// behaviour (Go): finalizers of globals
// origin: TestFinalizerOnGlobal
// not here: globals are not objects of a heap

// behaviour (Go): a cleanup waits for a finalizer that brings the object back
// origin: TestCleanupAfterFinalizer
// not here: destructors bring nothing back

// behaviour (Go): a weak pointer is one word
// origin: TestPointerSize
// not here: it is a box and an address, so that the load of an upgrade is one

// behaviour (Go): weak pointers to what never dies
// origin: TestImmortalPointer
// not here: every object of a heap can die
