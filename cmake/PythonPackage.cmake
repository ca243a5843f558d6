# For builds by pip: takes the OpenVINO that Python imports, which is the one that the package asks
# for (setup.py), and says where the package is installed.
find_package(Python REQUIRED COMPONENTS Interpreter)
execute_process(
  COMMAND ${Python_EXECUTABLE} -c "import importlib.util, pathlib, sysconfig
openvino = pathlib.Path(importlib.util.find_spec('openvino').origin).parent
print(openvino, sysconfig.get_path('platlib'), sep=';', end='')"
  OUTPUT_VARIABLE found RESULT_VARIABLE status)
if(NOT status EQUAL 0)
  message(FATAL_ERROR
    "${Python_EXECUTABLE} has no OpenVINO: pip install openvino, or leave out --no-build-isolation")
endif()
list(GET found 0 openvino)
list(GET found 1 site_packages)
set(OpenVINO_DIR ${openvino}/cmake CACHE PATH "OpenVINO's CMake package" FORCE)

# The C++ runtime for other programs lies in the package as well.
set(CMAKE_INSTALL_LIBDIR ltp_deploy/lib CACHE PATH "Where libraries are installed" FORCE)
set(CMAKE_INSTALL_INCLUDEDIR ltp_deploy/include CACHE PATH "Where headers are installed" FORCE)
set(LTP_OPENVINO_HINT "\${PACKAGE_PREFIX_DIR}/openvino/cmake")

if(SKBUILD_STATE STREQUAL "editable")
  # The native parts lie in the checkout, beside the Python files.
  foreach(component python devel)
    install(CODE "set(CMAKE_INSTALL_PREFIX [[${CMAKE_CURRENT_SOURCE_DIR}]])" COMPONENT ${component})
  endforeach()
  set(LTP_OPENVINO_HINT "${site_packages}/openvino/cmake")
  # An isolated build's OpenVINO is gone afterwards: the one of the environment takes its place.
  set(rpath "${openvino}/libs:${site_packages}/openvino/libs")
else()
  set(rpath "$ORIGIN/../../openvino/libs")
endif()
set(LTP_RUN_RPATH "${rpath}" CACHE STRING "Where an installed ltp-run finds OpenVINO" FORCE)
