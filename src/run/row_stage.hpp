// SPDX-License-Identifier: Apache-2.0
// A picture that is made from top to bottom in pieces: the steps of an enlargement are a chain of these, each pulling
// from the one before.
#pragma once

#include "base/result.hpp"
#include "enlarge/image.hpp"
#include "graph/graph.hpp"
#include "image/format.hpp"

namespace enlarge {

class RowStage {
public:
    virtual ~RowStage() = default;
    [[nodiscard]] virtual Size size() const = 0;
    [[nodiscard]] virtual PixelFormat format() const = 0;
    // The next rows, at least one, full width; valid until the next call. Called until size().height rows were given.
    virtual Result<ImageView> next() = 0;
    // The whole picture, when it is in memory already: then next() need not be called.
    [[nodiscard]] virtual const ImageView* whole() const { return nullptr; }
};

// A picture in memory.
class ViewStage : public RowStage {
public:
    explicit ViewStage(const ImageView& view) : view_(view) {}
    // Another picture of the same size and format.
    void set(const ImageView& view) { view_ = view; }
    [[nodiscard]] Size size() const override { return view_.size; }
    [[nodiscard]] PixelFormat format() const override { return view_.format; }
    Result<ImageView> next() override { return view_; }
    [[nodiscard]] const ImageView* whole() const override { return &view_; }

private:
    ImageView view_;
};

// Rows of a file, read a few at a time.
class SourceStage : public RowStage {
public:
    // `rows` at a time.
    SourceStage(RowSource& source, int rows);
    [[nodiscard]] Size size() const override { return size_; }
    [[nodiscard]] PixelFormat format() const override { return buffer_.format(); }
    Result<ImageView> next() override;

private:
    RowSource& source_;
    Size size_;
    Image buffer_;
    int row_ = 0;
};

// Takes the first `count` of the rows.
ImageView take_rows(ImageView& rows, int count);

// The rows of a stage in another format, a few at a time.
class ConvertStage : public RowStage {
public:
    [[nodiscard]] Size size() const override { return stage_.size(); }
    [[nodiscard]] PixelFormat format() const override { return buffer_.format(); }
    Result<ImageView> next() override;
    void restart() { pending_.size.height = 0; }

protected:
    ConvertStage(RowStage& stage, const PixelFormat& format);
    virtual void convert(const ImageView& rows, const MutableImageView& out) = 0;

private:
    RowStage& stage_;
    Image buffer_;
    ImageView pending_;  // rows of the stage that were not given yet
};

// A sliding window over a stage: keeps the rows that tiles need at the same time, continued to the right and at the
// bottom.
class RowWindow {
public:
    // `padded` >= the stage's size; `capacity` rows can be seen at once.
    RowWindow(RowStage& stage, Size padded, int capacity, Continuation beyond = Continuation::reflect);
    // Rows begin..end-1 of the padded picture, row 0 of the view being row `begin`. `begin` never decreases from call
    // to call, and end - begin <= capacity. The view lives until the next call.
    Result<ImageView> rows(int begin, int end);
    // For a new picture from the same stage.
    void restart();
    [[nodiscard]] static std::int64_t row_bytes(int width, const PixelFormat& format);

private:
    void append(const ImageView& rows);
    void pad_bottom(int end);

    RowStage& stage_;
    Size padded_;
    Image buffer_;        // empty when the stage has the whole picture and needs no padding
    int capacity_;
    Continuation beyond_;
    int first_ = 0;       // picture row in buffer row 0
    int filled_ = 0;      // rows in the buffer
    int keep_ = 0;        // rows above `begin` that padding may need
    ImageView pending_;   // rows of the stage that are not in the buffer yet
    int taken_ = 0;       // rows taken from the stage
};

}  // namespace enlarge
