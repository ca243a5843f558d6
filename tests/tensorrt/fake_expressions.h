// Dimensions as TensorRT hands them to a plugin: expressions, here simply their text.
#pragma once

#include <NvInferRuntime.h>

#include <list>
#include <string>

namespace test {

class Dimension : public nvinfer1::IDimensionExpr {
public:
    Dimension(std::string text, bool constant)
        : text(std::move(text)), value_(constant, this->text) {
        mImpl = &value_;
    }

    const std::string text;

private:
    struct Value final : nvinfer1::apiv::VDimensionExpr {
        Value(bool constant, const std::string& text) : constant(constant), text(text) {}
        bool isConstant() const override { return constant; }
        std::int64_t getConstantValue() const override { return std::stoll(text); }
        bool isSizeTensor() const override { return text.rfind("size", 0) == 0; }

        const bool constant;
        const std::string& text;
    } value_;
};

inline const std::string& text(const nvinfer1::IDimensionExpr* dimension) {
    return static_cast<const Dimension*>(dimension)->text;
}

class Expressions : public nvinfer1::IExprBuilder {
public:
    Expressions() : builder_(*this) { mImpl = &builder_; }

    const Dimension* symbol(const std::string& name) { return &made_.emplace_back(name, false); }

private:
    struct Builder final : nvinfer1::apiv::VExprBuilder {
        using Expression = nvinfer1::IDimensionExpr;

        explicit Builder(Expressions& owner) : owner(owner) {}
        const Expression* constant(std::int64_t value) override {
            return &owner.made_.emplace_back(std::to_string(value), true);
        }
        const Expression* operation(nvinfer1::DimensionOperation operation, const Expression& a,
                                    const Expression& b) override {
            using Operation = nvinfer1::DimensionOperation;
            const bool ceil = operation == Operation::kCEIL_DIV,
                       times = operation == Operation::kPROD;
            return owner.symbol(text(&a) + (ceil ? " ceil/ " : times ? " * " : " ? ") + text(&b));
        }
        const Expression* declareSizeTensor(std::int32_t output, const Expression& usual,
                                            const Expression& most) override {
            return owner.symbol("size(" + std::to_string(output) + ", " + text(&usual) + ", " +
                                text(&most) + ")");
        }

        Expressions& owner;
    } builder_;

    std::list<Dimension> made_;
};

}  // namespace test
