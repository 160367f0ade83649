// SPDX-License-Identifier: GPL-2.0-or-later
#include "ssi/runtime/ranges.h"

#include "ssi/runtime/arena.h"

namespace holon::ssi {

bool Ranges::open() {
    if (!list_) list_ = static_cast<Range*>(arena::allocate(capacity * sizeof(Range)));
    return list_ != nullptr;
}

std::size_t Ranges::after(std::uint64_t address) const {
    std::size_t low = 0, high = count_;
    while (low < high) {
        const std::size_t middle = (low + high) / 2;
        if (list_[middle].end > address)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

Range Ranges::around(std::uint64_t address) const {
    const std::size_t i = after(address);
    if (i < count_ && list_[i].begin <= address) return list_[i];
    return {0, 0};
}

Range Ranges::first_in(std::uint64_t begin, std::uint64_t end) const {
    const std::size_t i = after(begin);
    if (i == count_ || list_[i].begin >= end) return {0, 0};
    return {list_[i].begin > begin ? list_[i].begin : begin,
            list_[i].end < end ? list_[i].end : end};
}

bool Ranges::add(std::uint64_t begin, std::uint64_t end) {
    // Everything that touches or adjoins [begin, end) becomes one range.
    std::size_t first = after(begin == 0 ? 0 : begin - 1), last = first;
    while (last < count_ && list_[last].begin <= end) {
        if (list_[last].begin < begin) begin = list_[last].begin;
        if (list_[last].end > end) end = list_[last].end;
        ++last;
    }
    if (first == last) {
        if (count_ == capacity) return false;
        memmove(list_ + first + 1, list_ + first, (count_ - first) * sizeof(Range));
        ++count_;
    } else {
        memmove(list_ + first + 1, list_ + last, (count_ - last) * sizeof(Range));
        count_ -= last - first - 1;
    }
    list_[first] = {begin, end};
    return true;
}

bool Ranges::remove(std::uint64_t begin, std::uint64_t end) {
    for (std::size_t i = after(begin); i < count_ && list_[i].begin < end;) {
        Range& range = list_[i];
        if (range.begin < begin && range.end > end) {
            if (count_ == capacity) return false;
            memmove(list_ + i + 1, list_ + i, (count_ - i) * sizeof(Range));
            ++count_;
            list_[i].end = begin;
            list_[i + 1].begin = end;
            return true;
        }
        if (range.begin < begin) {
            range.end = begin;
            ++i;
        } else if (range.end > end) {
            range.begin = end;
            ++i;
        } else {
            memmove(list_ + i, list_ + i + 1, (count_ - i - 1) * sizeof(Range));
            --count_;
        }
    }
    return true;
}

}  // namespace holon::ssi
