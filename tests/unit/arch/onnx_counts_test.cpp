// SPDX-License-Identifier: Apache-2.0
// Numbers that count along a side, what is written at places that they list, choices, repetitions and constants that a
// file computes: that the results are the right ones.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "arch/arch.hpp"
#include "arch/known.hpp"
#include "backend/reference/reference.hpp"
#include "support/onnx_layers.hpp"
#include "support/run_program.hpp"

namespace enlarge {
namespace {

using test::must;

class onnx_counts : public testing::Test, protected test::OnnxLayers {
protected:
    onnx_counts() { file_.inputs = {{"x", {1, 3, -1, -1}}}; }
    // The side of a tensor as a single number.
    void side(const std::string& of, const std::string& out, float axis) {
        node("Shape", {of}, out + "_shape");
        constant(node("Gather", {out + "_shape"}, out), 1, {}, {axis});
    }
    void list(const std::string& number, const std::string& out) {
        constant(node("Unsqueeze", {number}, out), 1, {1}, {0});
    }
    // 0, 1, ... up to a side.
    void count(const std::string& end, const std::string& out) {
        Layer& range = node("Range", {"", end, ""}, out);
        constant(range, 0, {}, {0});
        constant(range, 2, {}, {1});
    }
    void part(const std::string& in, const std::string& out, float begin, float end) {
        Layer& slice = node("Slice", {in}, out);
        constant(slice, 1, {1}, {begin});
        constant(slice, 2, {1}, {end});
        constant(slice, 3, {1}, {0});
        constant(slice, 4, {1}, {1});
    }
    test::FloatPicture run() {
        const Network network = must(recognise(file_));
        return test::run_whole(reference_backend(), network.graph, picture_);
    }
    std::string refusal() {
        const auto network = recognise(file_);
        return network.ok() ? "(accepted)" : network.error().message;
    }
    // A field of zeros, 1 x rows x columns x 1, of which some rows and columns are made 5: as masks of windows are.
    void field(float first_row, float end_row, float first_column, float end_column) {
        side("x", "rows", 2);
        side("x", "columns", 3);
        list("rows", "rows1");
        list("columns", "columns1");
        Layer& join = node("Concat", {"", "rows1", "columns1", ""}, "sides");
        join.numbers["axis"] = 0;
        constant(join, 0, {1}, {1});
        constant(join, 3, {1}, {1});
        node("ConstantOfShape", {"sides"}, "zeros");
        count("rows", "all_rows");
        part("all_rows", "some_rows", first_row, end_row);
        reshape("some_rows", "row", {-1, 1, 1});
        count("columns", "all_columns");
        part("all_columns", "some_columns", first_column, end_column);
        reshape("some_columns", "column", {-1, 1});
        // The places' sizes, as exporters find them out.
        node("Add", {"row", "column"}, "both");
        constant(node("Add", {"both"}, "all"), 1, {1, 1, 1, 1}, {0});
        node("Shape", {"all"}, "places");
        for (const char* axis : {"row", "column"}) {
            node("Expand", {axis, "places"}, std::string(axis) + "_all");
            constant(node("Unsqueeze", {std::string(axis) + "_all"}, std::string(axis) + "_index"), 1, {1}, {-1});
        }
        for (const char* axis : {"batch", "channel"}) {
            constant(node("Expand", {"", "places"}, std::string(axis) + "_all"), 0, {1, 1, 1, 1}, {0});
            constant(node("Unsqueeze", {std::string(axis) + "_all"}, std::string(axis) + "_index"), 1, {1}, {-1});
        }
        node("Concat", {"batch_index", "row_index", "column_index", "channel_index"}, "index").numbers["axis"] = -1;
        constant(node("Expand", {"", "places"}, "fives"), 0, {}, {5}, false);
        node("ScatterND", {"zeros", "index", "fives"}, "field");
    }
    void add_field(const std::string& field) {
        Layer& join = node("Concat", {"", "", "rows1", "columns1"}, "picture");
        join.numbers["axis"] = 0;
        constant(join, 0, {1}, {1});
        constant(join, 1, {1}, {1});
        node("Reshape", {field, "picture"}, "mask");
        node("Add", {"x", "mask"}, "y");
    }

    test::FloatPicture picture_ = test::random_picture(3, 3, {10, 8});
};

TEST_F(onnx_counts, a_block_of_a_field_is_written_whatever_the_pictures_size) {
    field(-3, 9223372036854775807.0F, 0, -4);
    add_field("field");
    for (const Size size : {Size{10, 8}, Size{7, 11}}) {
        picture_ = test::random_picture(3, 3, size);
        const test::FloatPicture result = run();
        for (int c = 0; c < 3; ++c)
            for (int y = 0; y < size.height; ++y)
                for (int x = 0; x < size.width; ++x) {
                    const float more = y >= size.height - 3 && x < size.width - 4 ? 5 : 0;
                    EXPECT_FLOAT_EQ(result.at(c, x, y), picture_.at(c, x, y) + more) << c << " " << x << " " << y;
                }
    }
}

TEST_F(onnx_counts, choices_by_comparison_take_one_of_two) {
    field(2, 4, 0, 9223372036854775807.0F);
    constant(node("Equal", {"field"}, "nought"), 1, {}, {0}, false);
    node("Not", {"nought"}, "written");
    node("Cast", {"written"}, "flag").numbers["to"] = 9;
    constant(node("Where", {"flag", "", "field"}, "hundred"), 1, {}, {-100}, false);
    add_field("hundred");
    const test::FloatPicture result = run();
    for (int y = 0; y < 8; ++y)
        for (int x = 0; x < 10; ++x)
            EXPECT_FLOAT_EQ(result.at(0, x, y), picture_.at(0, x, y) + (y == 2 || y == 3 ? -100 : 0)) << x << " " << y;
}

TEST_F(onnx_counts, some_channels_are_written) {
    constant(node("Mul", {"x"}, "double"), 1, {}, {2}, false);
    Layer& cut = node("Slice", {"double"}, "one");
    constant(cut, 1, {1}, {1});
    constant(cut, 2, {1}, {2});
    constant(cut, 3, {1}, {1});
    constant(node("ScatterND", {"x", "", "one"}, "y"), 1, {1, 1, 2}, {0, 1});
    const test::FloatPicture result = run();
    for (int c = 0; c < 3; ++c)
        for (int y = 0; y < 8; ++y)
            for (int x = 0; x < 10; ++x) EXPECT_FLOAT_EQ(result.at(c, x, y), picture_.at(c, x, y) * (c == 1 ? 2 : 1));
}

TEST_F(onnx_counts, channels_are_repeated) {
    constant(node("Unsqueeze", {"x"}, "five"), 1, {1}, {2});
    constant(node("Tile", {"five"}, "tiled"), 1, {5}, {1, 1, 4, 1, 1});
    side("x", "r", 2);
    side("x", "c", 3);
    list("r", "r1");
    list("c", "c1");
    Layer& join = node("Concat", {"", "", "r1", "c1"}, "sides");
    join.numbers["axis"] = 0;
    constant(join, 0, {1}, {1});
    constant(join, 1, {1}, {12});
    node("Reshape", {"tiled", "sides"}, "many");
    Layer& shuffle = node("DepthToSpace", {"many"}, "y");
    shuffle.numbers["blocksize"] = 2;
    shuffle.texts["mode"] = "CRD";
    const test::FloatPicture result = run();
    ASSERT_EQ(result.size, (Size{20, 16}));
    for (int c = 0; c < 3; ++c)
        for (int y = 0; y < 16; ++y)
            for (int x = 0; x < 20; ++x) EXPECT_EQ(result.at(c, x, y), picture_.at(c, x / 2, y / 2));
}

TEST_F(onnx_counts, sums_over_a_side_are_products_of_matrices) {
    node("Einsum", {"x", "x"}, "rows_by_rows").texts["equation"] = "b h i d, b h j d -> b h i j";
    node("Einsum", {"rows_by_rows", "x"}, "y").texts["equation"] = "bhij,bhjd->bhid";
    const test::FloatPicture result = run();
    for (int c = 0; c < 3; ++c)
        for (int i = 0; i < 8; ++i)
            for (int d = 0; d < 10; ++d) {
                double expected = 0;
                for (int j = 0; j < 8; ++j) {
                    double weight = 0;
                    for (int k = 0; k < 10; ++k) weight += double{picture_.at(c, k, i)} * picture_.at(c, k, j);
                    expected += weight * picture_.at(c, d, j);
                }
                EXPECT_NEAR(result.at(c, d, i), expected, 1e-4);
            }
    for (const char* other :
         {"bhij,bhjd->bhi", "bhij,bhjj->bhid", "bhij->bhij", "...ij,...jd->...id", "bhij,bkld->bhid"}) {
        file_.layers.back().texts["equation"] = other;
        EXPECT_NE(refusal().find("node 'y' (Einsum): the sum '"), std::string::npos) << refusal();
    }
}

TEST_F(onnx_counts, a_picture_is_made_as_large_as_another) {
    Layer& pool = node("MaxPool", {"x"}, "few");
    pool.lists["kernel_shape"] = {3, 3};
    pool.lists["strides"] = {3, 3};
    node("Shape", {"x"}, "shape");
    part("shape", "sides", 2, 4);
    Layer& join = node("Concat", {"", "sides"}, "size");
    join.numbers["axis"] = 0;
    constant(join, 0, {2}, {1, 3});
    Layer& resize = node("Resize", {"few", "", "", "size"}, "large");
    resize.texts["mode"] = "linear";
    resize.texts["coordinate_transformation_mode"] = "half_pixel";
    node("Add", {"large", "x"}, "y");
    const test::FloatPicture result = run();
    // Of 10 x 8 pixels 3 x 2 windows are whole; what is left over is not read.
    const auto largest = [&](int c, int column, int row) {
        float most = 0;
        for (int y = 0; y < 3; ++y)
            for (int x = 0; x < 3; ++x) most = std::max(most, picture_.at(c, 3 * column + x, 3 * row + y));
        return double{most};
    };
    for (int c = 0; c < 3; ++c)
        for (int y = 0; y < 8; ++y)
            for (int x = 0; x < 10; ++x) {
                const double row = std::clamp((y + 0.5) * 2 / 8 - 0.5, 0.0, 1.0),
                             column = std::clamp((x + 0.5) * 3 / 10 - 0.5, 0.0, 2.0);
                const int left = std::min(static_cast<int>(column), 1);
                const auto along = [&](int at) {
                    return largest(c, left, at) * (1 - (column - left)) + largest(c, left + 1, at) * (column - left);
                };
                const double expected = along(0) * (1 - row) + along(1) * row;
                EXPECT_NEAR(result.at(c, x, y), expected + double{picture_.at(c, x, y)}, 1e-5)
                    << c << " " << x << " " << y;
            }
}

// Rows in windows of `width` that begin `step` rows apart, from row 0 on, of a picture with two rows of zeros more.
class onnx_windows : public onnx_counts {
protected:
    void unfold(int width, int step) {
        constant(node("Pad", {"x"}, "padded"), 1, {8}, {0, 0, 0, 0, 0, 0, 2, 0});
        side("padded", "length", 2);
        constant(node("Sub", {"length"}, "end"), 1, {}, {static_cast<float>(width - 1)});
        Layer& range = node("Range", {"", "end", ""}, "firsts");
        constant(range, 0, {}, {0});
        constant(range, 2, {}, {static_cast<float>(step)});
        list("firsts", "line");
        std::vector<float> within;
        for (int i = 0; i < width; ++i) within.push_back(static_cast<float>(i));
        constant(node("Add", {"line", ""}, "places"), 1, {width, 1}, within);
        node("Gather", {"padded", "places"}, "windows").numbers["axis"] = 2;
    }
    // Row `first` of each window and those behind it, `step` in all, as a picture again, twice as bright.
    test::FloatPicture rows_of_windows(int first, int step) {
        Layer& cut = node("Slice", {"windows"}, "some");
        constant(cut, 1, {1}, {static_cast<float>(first)});
        constant(cut, 2, {1}, {static_cast<float>(first + step)});
        constant(cut, 3, {1}, {2});
        node("Transpose", {"some"}, "turned").lists["perm"] = {0, 1, 3, 2, 4};
        node("Shape", {"x"}, "shape");
        node("Reshape", {"turned", "shape"}, "same");
        constant(node("Mul", {"same"}, "y"), 1, {}, {2}, false);
        return run();
    }
};

TEST_F(onnx_windows, that_overlap_hold_the_rows_from_their_first_on) {
    for (const auto& [width, step] : {std::pair{4, 2}, {3, 2}, {3, 1}, {6, 4}, {2, 2}})
        for (int first = 0; first + step <= width; ++first) {
            file_.layers.clear();
            picture_ = test::random_picture(3, 3, {12, 8});
            unfold(width, step);
            if (width < step + 2) {  // as many rows of zeros as there are windows for
                file_.layers.front().tensors.front().values = {0, 0, 0, 0, 0, 0, static_cast<float>(width - step), 0};
            }
            const test::FloatPicture result = rows_of_windows(first, step);
            ASSERT_EQ(result.size, picture_.size);
            for (int y = 0; y < 8; ++y)
                for (int x = 0; x < 12; ++x)
                    EXPECT_EQ(result.at(1, x, y), y + first < 8 ? 2 * picture_.at(1, x, y + first) : 0)
                        << width << " " << step << " " << first << ": " << x << " " << y;
        }
}

TEST_F(onnx_windows, that_leave_rows_out_are_refused) {
    unfold(2, 3);
    node("Softmax", {"windows"}, "y");
    EXPECT_NE(refusal().find("node 'windows' (Gather): windows of 2, each 3 places"), std::string::npos) << refusal();
}

TEST_F(onnx_counts, places_that_are_no_block_are_refused) {
    constant(node("Mul", {"x"}, "double"), 1, {}, {2}, false);
    Layer& cut = node("Slice", {"double"}, "two");
    constant(cut, 1, {1}, {0});
    constant(cut, 2, {1}, {2});
    constant(cut, 3, {1}, {1});
    Layer& write = node("ScatterND", {"x", "", "two"}, "y");
    constant(write, 1, {1, 2, 2}, {0, 0, 0, 2});
    EXPECT_NE(refusal().find("node 'y' (ScatterND): places that are no block of a tensor"), std::string::npos)
        << refusal();
    file_.layers.back().tensors[0].values = {0, 2, 0, 3};
    EXPECT_NE(refusal().find("node 'y' (ScatterND): a block beyond the tensor"), std::string::npos) << refusal();
    file_.layers.back().tensors[0].values = {0, 0, 0, 1};
    EXPECT_EQ(refusal(), "(accepted)");
    file_.layers.back().texts["reduction"] = "add";
    EXPECT_NE(refusal().find("a sum at places"), std::string::npos) << refusal();
}

TEST_F(onnx_counts, counting_that_nothing_is_written_at_is_refused_by_its_own_name) {
    side("x", "rows", 2);
    count("rows", "all");
    node("Softmax", {"all"}, "y");
    EXPECT_NE(refusal().find("node 'all' (Range): numbers up to a size that is not known"), std::string::npos)
        << refusal();
}

Known folded(const std::string& type, const std::vector<Known>& operands,
             const std::map<std::string, double>& numbers = {}) {
    FoldInput input;
    input.type = type;
    for (const Known& operand : operands) input.operands.push_back(&operand);
    input.number = [&](const char* key, double otherwise) {
        const auto found = numbers.find(key);
        return found == numbers.end() ? otherwise : found->second;
    };
    input.list = [](const char*) { return std::nullopt; };
    std::int64_t multiple = 1;
    auto result = fold(input, multiple);
    if (!result) {
        ADD_FAILURE() << type << " is not folded";
        return {};
    }
    return must(std::move(*result));
}

std::vector<float> numbers_of(const Known& known) { return {known.values->begin(), known.values->end()}; }

TEST(known_numbers, are_multiplied_as_matrices) {
    const Known a = known({2, 3}, {1, 2, 3, 4, 5, 6}), b = known({3, 2}, {1, 0, 0, 1, 1, 1});
    EXPECT_EQ(numbers_of(folded("MatMul", {a, b})), (std::vector<float>{4, 5, 10, 11}));
    // A list of matrices times one.
    const Known many = folded("MatMul", {known({2, 1, 3}, {1, 2, 3, 4, 5, 6}), b});
    EXPECT_EQ(many.sides, (std::vector<std::int64_t>{2, 1, 2}));
    EXPECT_EQ(numbers_of(many), (std::vector<float>{4, 5, 10, 11}));
    // Turned, with factors and a row that is added.
    const Known turned = folded("Gemm", {a, known({2, 3}, {1, 0, 1, 0, 1, 1}), known({2}, {10, 20})},
                                {{"transB", 1}, {"alpha", 2}, {"beta", 0.5}});
    EXPECT_EQ(numbers_of(turned), (std::vector<float>{13, 20, 25, 32}));
    EXPECT_EQ(numbers_of(folded("Gemm", {known({2, 1}, {3, 4}), known({2, 1}, {5, 6})}, {{"transA", 1}})),
              (std::vector<float>{39}));
}

TEST(known_numbers, are_normalised_and_cut_at_nought) {
    const Known row =
        folded("LayerNormalization", {known({1, 4}, {1, 2, 3, 4}), known({4}, {1, 1, 2, 1}), known({4}, {0, 0, 0, 1})},
               {{"epsilon", 0}});
    const double unit = std::sqrt(1.25);
    const std::vector<double> expected = {-1.5 / unit, -0.5 / unit, 1 / unit, 1.5 / unit + 1};
    for (std::size_t i = 0; i < 4; ++i) EXPECT_NEAR(row.value(i), expected[i], 1e-6);
    EXPECT_EQ(numbers_of(folded("Relu", {known({3}, {-1, 0, 2})})), (std::vector<float>{0, 0, 2}));
}

TEST(known_numbers, are_summed_along_some_axes) {
    const Known a = known({2, 2}, {3, 4, 6, 8});
    FoldInput input{"ReduceL2",
                    {&a},
                    [](const char*, double otherwise) { return otherwise; },
                    [](const char*) { return std::optional(std::vector<std::int64_t>{-1}); }};
    std::int64_t multiple = 1;
    const Known length = must(*fold(input, multiple));
    EXPECT_EQ(length.sides, (std::vector<std::int64_t>{2, 1}));
    EXPECT_EQ(numbers_of(length), (std::vector<float>{5, 10}));
    input.type = "ReduceMean";
    input.number = [](const char*, double) { return 0.0; };  // keepdims
    const Known mean = must(*fold(input, multiple));
    EXPECT_EQ(mean.sides, (std::vector<std::int64_t>{2}));
    EXPECT_EQ(numbers_of(mean), (std::vector<float>{3.5, 7}));
    EXPECT_EQ(numbers_of(folded("ReduceSum", {a, known({1}, {0}, true)})), (std::vector<float>{9, 12}));
    EXPECT_EQ(numbers_of(folded("ReduceProd", {a})), (std::vector<float>{576}));
    EXPECT_EQ(numbers_of(folded("Clip", {a, known({}, {4}), known({}, {6})})), (std::vector<float>{4, 4, 6, 6}));
}

TEST(known_numbers, of_sizes_are_divided_by_each_other) {
    const Known all = known_sizes({*product(Extent::rows(), Extent::columns()), Extent::rows()});
    const Known ratio = folded("Div", {all, all});
    EXPECT_FALSE(ratio.symbolic());
    EXPECT_EQ(numbers_of(ratio), (std::vector<float>{1, 1}));
    const Known twice = known_sizes({*product(Extent::rows(), 4)});
    EXPECT_EQ(numbers_of(folded("Div", {twice, known_sizes({Extent::rows()})})), (std::vector<float>{4}));
}

}  // namespace
}  // namespace enlarge
