// SPDX-License-Identifier: Apache-2.0
#include "backend/vulkan/matrix_kernel.hpp"

#include <map>

namespace enlarge::vulkan {
namespace {

using Words = std::vector<std::uint32_t>;
using Instruction = std::span<const std::uint32_t>;

// Numbers of SPIR-V's specification.
constexpr std::uint32_t kHead = 5, kBound = 3;  // words before the first instruction; which of them counts names
constexpr std::uint32_t kCapability = 17, kMatrixCapability = 6022, kFirstType = 19, kLastType = 39, kInt = 21,
                        kFloat = 22, kConstant = 43, kMatrix = 4456;

std::uint32_t kind_of(Instruction one) { return one[0] & 0xffff; }

std::vector<Instruction> instructions_of(std::span<const std::uint32_t> code) {
    std::vector<Instruction> all;
    for (std::size_t at = kHead; at < code.size();) {
        const std::size_t words = code[at] >> 16;
        if (words == 0 || at + words > code.size()) break;
        all.push_back(code.subspan(at, words));
        at += words;
    }
    return all;
}

// Types that matrices are made of come before them here, with constants for their sizes.
class Completion {
public:
    Completion(std::span<const std::uint32_t> code, const MatrixShape& shape)
        : shape_(shape), made_(code.begin(), code.begin() + kHead), all_(instructions_of(code)) {
        for (const Instruction one : all_) {
            if (kind_of(one) == kFloat) floats_[one[2]] = one;
            if (kind_of(one) == kInt && one[2] == 32 && one[3] == 0) uint_ = one;
        }
    }

    Words run() {
        bool begun = false;
        for (const Instruction one : all_) {
            const std::uint32_t kind = kind_of(one);
            if (!begun && kind >= kFirstType && kind <= kLastType) {
                begun = true;
                add_what_types_need();
            }
            if (kind == kMatrix) add_matrix(one);
            else if (!moved(one)) add(one);
        }
        return std::move(made_);
    }

private:
    [[nodiscard]] bool moved(Instruction one) const {
        if (one.data() == uint_.data()) return true;
        const auto it = floats_.find(one.size() > 2 ? one[2] : 0);
        return it != floats_.end() && it->second.data() == one.data();
    }
    void add(Instruction one) { made_.insert(made_.end(), one.begin(), one.end()); }
    void add_what_types_need() {
        for (const auto& [bits, type] : floats_) add(type);
        add(uint_);
        for (const Instruction one : all_)
            if (kind_of(one) == kMatrix)
                for (std::size_t i = 3; i < 7; ++i) constant(number_of(one, i));
    }
    // Of a matrix: bits, scope, rows, columns, use from the second word on.
    [[nodiscard]] std::uint32_t number_of(Instruction matrix, std::size_t i) const {
        if (i != 4 && i != 5) return matrix[i];
        return matrix[i] == 1 ? shape_.rows : matrix[i] == 2 ? shape_.columns : shape_.depth;
    }
    std::uint32_t constant(std::uint32_t value) {
        const auto [it, fresh] = constants_.emplace(value, made_[kBound]);
        if (fresh) {
            const std::uint32_t words[] = {4U << 16 | kConstant, uint_[1], made_[kBound]++, value};
            add(words);
        }
        return it->second;
    }
    void add_matrix(Instruction one) {
        const auto type = floats_.find(one[2]);
        const std::uint32_t words[] = {7U << 16 | kMatrix,
                                       one[1],
                                       type == floats_.end() ? 0 : type->second[1],
                                       constants_.at(number_of(one, 3)),
                                       constants_.at(number_of(one, 4)),
                                       constants_.at(number_of(one, 5)),
                                       constants_.at(number_of(one, 6))};
        add(words);
    }

    MatrixShape shape_;
    Words made_;
    std::vector<Instruction> all_;
    std::map<std::uint32_t, Instruction> floats_;  // by bits
    Instruction uint_;
    std::map<std::uint32_t, std::uint32_t> constants_;  // value, name
};

}  // namespace

bool has_matrices(std::span<const std::uint32_t> code) {
    for (const Instruction one : instructions_of(code))
        if (kind_of(one) == kCapability && one[1] == kMatrixCapability) return true;
    return false;
}

std::vector<std::uint32_t> with_matrices(std::span<const std::uint32_t> code, const MatrixShape& shape) {
    return Completion(code, shape).run();
}

}  // namespace enlarge::vulkan
