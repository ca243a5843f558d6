// An extension of OpenVINO without any operator, in place of the library openvino-tokenizers.
#include <openvino/core/extension.hpp>

OPENVINO_CREATE_EXTENSIONS(std::vector<ov::Extension::Ptr>{});
