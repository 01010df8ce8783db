// SPDX-License-Identifier: Apache-2.0
// The opcodes of Python's pickle, protocols 0 to 5. Those missing (EXT1, buffers) occur in no weight file.
#pragma once

#include <cstdint>

namespace enlarge::pickle {

enum class Op : std::uint8_t {
    mark = '(', stop = '.', pop = '0', pop_mark = '1', dup = '2',
    real = 'F', integer = 'I', bin_int = 'J', bin_int1 = 'K', long_text = 'L', bin_int2 = 'M', none = 'N',
    persid = 'P', bin_persid = 'Q', reduce = 'R', string = 'S', bin_string = 'T', short_bin_string = 'U',
    unicode = 'V', bin_unicode = 'X', append = 'a', build = 'b', global = 'c', dict = 'd', empty_dict = '}',
    appends = 'e', get = 'g', bin_get = 'h', inst = 'i', long_bin_get = 'j', list = 'l', empty_list = ']',
    obj = 'o', put = 'p', bin_put = 'q', long_bin_put = 'r', set_item = 's', tuple = 't', empty_tuple = ')',
    set_items = 'u', bin_float = 'G',
    proto = 0x80, new_obj = 0x81, tuple1 = 0x85, tuple2 = 0x86, tuple3 = 0x87, new_true = 0x88, new_false = 0x89,
    long1 = 0x8a, long4 = 0x8b,
    bin_bytes = 'B', short_bin_bytes = 'C',
    short_bin_unicode = 0x8c, bin_unicode8 = 0x8d, bin_bytes8 = 0x8e, empty_set = 0x8f, add_items = 0x90,
    frozenset = 0x91, new_obj_ex = 0x92, stack_global = 0x93, memoize = 0x94, frame = 0x95,
    byte_array8 = 0x96,
};

}  // namespace enlarge::pickle
