// What OpenVINO finds when it loads this library with ov::Core::add_extension.
#include <openvino/core/extension.hpp>
#include <openvino/core/op_extension.hpp>

#include "linear_op.h"
#include "pruned_attention_op.h"

OPENVINO_CREATE_EXTENSIONS(
    std::vector<ov::Extension::Ptr>({std::make_shared<ov::OpExtension<ltp::PrunedAttention>>(),
                                     std::make_shared<ov::OpExtension<ltp::Linear>>()}));
