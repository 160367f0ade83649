// SPDX-License-Identifier: GPL-2.0-or-later
//
// Memory for the runtime itself, inside its range: zeroed, from the kernel, never from the
// program's heap.
#pragma once

#include <cstddef>

namespace holon::ssi::arena {

/// Whole pages, never given back; nullptr where memory is out. Any thread.
void* allocate(std::size_t size, std::size_t alignment = 4096);
/// One zeroed page, which may be given back.
void* allocate_page();
void free_page(void* page);
/// In a fork child: nobody else holds the lock.
void after_fork();

}  // namespace holon::ssi::arena
