// Gives the C library's free memory back to the kernel: once, when something large and rare is over.
//
// Why: glibc by itself returns only what is free at the top of its heap. What the first reading of a datastore leaves free below
// (the text and JSON of every object) would stay resident for the daemon's life. How much that is has not been measured apart,
// and it gains no time: tuning the heap for speed showed nothing (decision 0095).
#pragma once

namespace margay {

void release_freed_memory() noexcept;

}  // namespace margay
