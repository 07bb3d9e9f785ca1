# SPDX-License-Identifier: MIT
# valid($schema): does the input fit this JSON Schema? As much of the language
# as fixtures/decode.schema.json uses; anything else in it is an error.

def is_of($name):
  if $name == "integer" then type == "number" and floor == .
  else type == $name end;

def known: ["$schema", "$id", "$defs", "$ref", "title", "description", "type",
  "const", "enum", "required", "properties", "items", "oneOf", "minimum",
  "maximum", "pattern", "minLength", "minItems", "uniqueItems",
  "dependentRequired"];

def valid($s; $root):
  . as $v |
  if ($s | keys) - known != [] then error("schema: \($s | keys)") else . end |
  ($s | has("$ref") | not) or
    valid($root["$defs"][$s["$ref"] | ltrimstr("#/$defs/")]; $root)
  | . and (($s | has("type") | not) or
      ([$s.type] | flatten | any(. as $name | $v | is_of($name))))
  and (($s | has("const") | not) or $v == $s.const)
  and (($s | has("enum") | not) or ($s.enum | any(. == $v)))
  and (($s | has("minimum") | not) or ($v | type) != "number" or
      $v >= $s.minimum)
  and (($s | has("maximum") | not) or ($v | type) != "number" or
      $v <= $s.maximum)
  and (($s | has("pattern") | not) or ($v | type) != "string" or
      ($v | test($s.pattern)))
  and (($s | has("minLength") | not) or ($v | type) != "string" or
      ($v | length) >= $s.minLength)
  and (($v | type) != "object" or (
      (($s.required // []) - ($v | keys) == [])
      and ($s.properties // {} | to_entries |
        all(.key as $k | .value as $p |
          ($v | has($k) | not) or ($v[$k] | valid($p; $root))))
      and ($s.dependentRequired // {} | to_entries |
        all(.key as $k | .value as $r |
          ($v | has($k) | not) or ($r - ($v | keys) == [])))))
  and (($v | type) != "array" or (
      (($v | length) >= ($s.minItems // 0))
      and (($s.uniqueItems | not) or ($v | unique | length) == ($v | length))
      and (($s | has("items") | not) or
        ($v | all(valid($s.items; $root))))))
  and (($s | has("oneOf") | not) or
      ([$s.oneOf[] as $o | $v | valid($o; $root) | select(.)] | length == 1));

def valid($root): valid($root; $root);
