// The C library's heap, for a daemon of one thread whose work comes in bursts of one size.
//
// Why: a change of one chain reads and writes its whole table, megabytes in tens of thousands of pieces, and lets go of them at
// once. By default the C library then gives the memory back to the kernel and faults it in again, page by page, at the next
// change: at 10,000 rules a third of what we spend ourselves. So freed memory is kept, up to a bound, and given back on request:
// when something large and rare is over (the first reading of a datastore).
#pragma once

namespace margay {

// Once, at the start of main().
void keep_freed_memory() noexcept;
// Gives back all that is free.
void release_freed_memory() noexcept;

}  // namespace margay
