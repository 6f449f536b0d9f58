import CJSON
