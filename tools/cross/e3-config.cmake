# find_package(e3) gives the imported target e3::e3: the static library, its header and what it links with.
include(CMakeFindDependencyMacro)
find_dependency(Threads)
get_filename_component(_e3_library "${CMAKE_CURRENT_LIST_DIR}/../../libe3.a" ABSOLUTE)
get_filename_component(_e3_include "${CMAKE_CURRENT_LIST_DIR}/../../../include" ABSOLUTE)
if(NOT TARGET e3::e3)
  add_library(e3::e3 STATIC IMPORTED)
  set_target_properties(e3::e3 PROPERTIES
    IMPORTED_LOCATION "${_e3_library}"
    INTERFACE_INCLUDE_DIRECTORIES "${_e3_include}"
    INTERFACE_LINK_LIBRARIES Threads::Threads)
endif()
unset(_e3_library)
unset(_e3_include)
