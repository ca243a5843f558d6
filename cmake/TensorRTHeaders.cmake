# ltp_find_tensorrt_headers(): sets LTP_HAVE_TENSORRT to whether the headers of TensorRT 10 or
# newer, or of TensorRT for RTX, and a CUDA toolkit are there. If so, LTP_TENSORRT_HEADERS is the
# headers' folder; if not, LTP_TENSORRT_MISSING says what is missing and how to give it. TensorRT's
# libraries are opened at run time and not needed to build.
set(TENSORRT_INCLUDE_DIR "$ENV{TENSORRT_INCLUDE_DIR}" CACHE PATH "The folder with TensorRT's NvInferRuntime.h")
set(TensorRT_ROOT "$ENV{TensorRT_ROOT}" CACHE PATH "A TensorRT installation: the folder above its include/")

macro(ltp_find_tensorrt_headers)
  unset(LTP_TENSORRT_MISSING)
  set(LTP_TENSORRT_HEADERS "${TENSORRT_INCLUDE_DIR}")
  if(NOT LTP_TENSORRT_HEADERS)
    unset(LTP_TENSORRT_FOUND CACHE)
    find_path(LTP_TENSORRT_FOUND NvInferRuntime.h HINTS "${TensorRT_ROOT}" PATH_SUFFIXES include)
    set(LTP_TENSORRT_HEADERS "${LTP_TENSORRT_FOUND}")
  endif()
  find_package(CUDAToolkit QUIET)
  if(NOT LTP_TENSORRT_HEADERS)
    string(CONCAT LTP_TENSORRT_MISSING
      "TensorRT's headers were not found; give them with -DTENSORRT_INCLUDE_DIR=<the folder with NvInferRuntime.h>, or "
      "-DTensorRT_ROOT=<the folder above it>, or variables of these names in the environment")
  elseif(NOT EXISTS "${LTP_TENSORRT_HEADERS}/NvInferRuntime.h")
    message(FATAL_ERROR "TENSORRT_INCLUDE_DIR is ${LTP_TENSORRT_HEADERS}, where there is no NvInferRuntime.h")
  else()
    file(STRINGS "${LTP_TENSORRT_HEADERS}/NvInferRuntime.h" ltp_plugin_v3 REGEX "class IPluginCreatorV3One")
    if(NOT ltp_plugin_v3)
      string(CONCAT LTP_TENSORRT_MISSING "the headers in ${LTP_TENSORRT_HEADERS} are older than TensorRT 10; give "
        "newer ones with -DTENSORRT_INCLUDE_DIR=<the folder with NvInferRuntime.h>")
    elseif(NOT CUDAToolkit_FOUND)
      string(CONCAT LTP_TENSORRT_MISSING "no CUDA toolkit was found; put its nvcc on PATH, or give "
        "-DCUDAToolkit_ROOT=<its folder>")
    endif()
  endif()
  if(LTP_TENSORRT_MISSING)
    set(LTP_HAVE_TENSORRT OFF)
  else()
    set(LTP_HAVE_TENSORRT ON)
  endif()
endmacro()
