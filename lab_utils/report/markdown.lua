-- Markdown to Typst and HTML: many fragments in one process, none of them trusted.
-- stdin:  JSON [{"text": markdown, "kind": "course" | "answer"}, …]
-- stdout: one line of JSON for each: {"typst": markup, "html": markup, "formulas": [{"tex": …, "mathml": …}, …]},
--         or {"deep": true}. A formula stands in both markups as its index between two private characters,
--         which `lab_utils.text.visible` lets nobody type. One that pandoc cannot or may not read has no "mathml".
--
-- Each fragment is read alone, so that an open code fence in one cannot swallow the next.
-- The reader knows neither raw HTML, raw TeX nor attributes; what is left in the tree is still
-- rebuilt from a list of allowed elements, because both writers print raw elements, image
-- paths and `typst:` attributes as they stand.

local READER = "commonmark+pipe_tables+strikeout+tex_math_dollars-raw_html"
local DEEPEST = 40 -- Typst refuses to parse markup nested deeper than about 250 levels
local DEEPEST_FORMULA = 10 -- pandoc's time doubles with each `x^{`: 0.3 s at 12, a minute at 20
local LONGEST_FORMULA = 4000 -- characters
local MACROS = { "def", "gdef", "edef", "xdef", "let", "futurelet", "newcommand", "renewcommand", "providecommand",
  "DeclareMathOperator", "DeclarePairedDelimiter", "newenvironment", "renewenvironment" }

local function without_attributes(element)
  element.attr = pandoc.Attr()
  return element
end

local allowed = {
  RawInline = function(raw) return pandoc.Str(raw.text) end,
  RawBlock = function(raw) return pandoc.CodeBlock(raw.text) end,
  Image = function(image) return image.caption end,
  Link = function(link)
    local web = link.target:match("^https?://")
    return web and pandoc.Link(link.content, link.target) or link.content
  end,
  Code = without_attributes,
  CodeBlock = without_attributes,
  Span = function(span) return span.content end,
  Div = function(div) return div.content end,
  Table = function(tbl)
    tbl.colspecs = tbl.colspecs:map(function(spec) return { spec[1], nil } end)
    return without_attributes(tbl)
  end,
}

-- The report's parts are level 1, so a notebook's "##" stays level 2; an answer makes no headings.
local headings = {
  course = function(header)
    header.content:insert(1, pandoc.Str("\u{E002}"))
    return pandoc.Header(math.max(2, math.min(header.level, 4)), header.content)
  end,
  answer = function(header) return pandoc.Para({ pandoc.Strong(header.content) }) end,
}

-- A page has an edge: in its tables give long words, but not numbers, places to break. HTML scrolls.
local function breakable(tbl)
  local longest = math.max(6, math.min(16, 80 // #tbl.colspecs))
  local run, half = ("%w"):rep(16), ("%w"):rep(8)
  local function broken(element)
    if utf8.len(element.text) <= longest or tonumber(element.text) then return nil end
    local text = element.text:gsub("([_/=.:,;|&?-])", "%1\u{200B}")
    while text:find(run) do text = text:gsub("(" .. half .. ")(" .. half .. ")", "%1\u{200B}%2") end
    element.text = text
    return element
  end
  return tbl:walk({ Str = broken, Code = broken })
end

-- Where a bracket opens (a table cell, bold text), Typst would take "= x" for a heading and "- x" for a list;
-- pandoc escapes that at the start of a paragraph only. An empty element in front makes it plain text.
local function plain_start(str)
  if not str.text:match("^[=+/-]") and not str.text:match("^%d+[.)]") then return nil end
  return { pandoc.RawInline("typst", "#[]"), str }
end

-- HTML aligns a column by a style attribute, which the page's policy forbids: use a class.
local function align_by_class(tbl)
  local function mark(rows)
    for _, row in ipairs(rows) do
      for i, cell in ipairs(row.cells) do
        local alignment = tbl.colspecs[i] and tbl.colspecs[i][1]
        if alignment == "AlignRight" or alignment == "AlignCenter" then cell.classes = { alignment } end
      end
    end
  end
  mark(tbl.head.rows)
  for _, body in ipairs(tbl.bodies) do mark(body.body) end
  tbl.colspecs = tbl.colspecs:map(function() return { pandoc.AlignDefault, nil } end)
  return tbl
end

-- How deep brackets and indented lists nest, code and escaped characters aside.
local function nesting(typst)
  local markup = typst:gsub("`+[^`]*`+", ""):gsub("\\.", "")
  local depth, deepest = 0, 0
  for bracket in markup:gmatch("[%[%](){}]") do
    depth = depth + (bracket:match("[%[({]") and 1 or -1)
    deepest = math.max(deepest, depth)
  end
  for indent in markup:gmatch("\n( +)") do deepest = math.max(deepest, #indent // 2) end
  return deepest
end

-- How deep braces, brackets, `\left` and `\begin` nest in TeX.
local function formula_nesting(tex)
  local marked = tex:gsub("\\left%f[%A]", "{"):gsub("\\right%f[%A]", "}")
    :gsub("\\begin%f[%A]", "{"):gsub("\\end%f[%A]", "}"):gsub("\\.", "")
  local depth, deepest = 0, 0
  for bracket in marked:gmatch("[%[%]{}]") do
    depth = depth + (bracket:match("[%[{]") and 1 or -1)
    deepest = math.max(deepest, depth)
  end
  return deepest
end

-- A macro of a hundred characters can grow to gigabytes; none is expanded.
local function defines_macro(tex)
  for _, name in ipairs(MACROS) do
    if tex:find("\\" .. name .. "%f[%A]") then return true end
  end
  return false
end

local function mathml(formula)
  local tex = formula.text
  if #tex > LONGEST_FORMULA or formula_nesting(tex) > DEEPEST_FORMULA or defines_macro(tex) then return nil end
  local html = pandoc.write(pandoc.Pandoc({ pandoc.Plain({ formula }) }), "html", { html_math_method = "mathml" })
  return html:match("^<math.*</math>$")
end

local function convert(fragment)
  local formulas = pandoc.List()
  local function set_aside(formula)
    local dollars = formula.mathtype == "DisplayMath" and "$$" or "$"
    formulas:insert({ tex = dollars .. formula.text .. dollars, mathml = mathml(formula) })
    return pandoc.Str("\u{E000}" .. #formulas .. "\u{E001}")
  end
  local doc = pandoc.read(fragment.text .. "\n", READER):walk(allowed):walk({ Header = headings[fragment.kind] })
    :walk({ Math = set_aside })
  local typst = pandoc.write(doc:walk({ Table = breakable }):walk({ Str = plain_start }), "typst", { wrap_text = "none" })
  if nesting(typst) > DEEPEST then return { deep = true } end
  local html = pandoc.write(doc:walk({ Table = align_by_class }), "html", { wrap_text = "none" })
  return { typst = typst, html = html, formulas = formulas }
end

for _, fragment in ipairs(pandoc.json.decode(io.read("a"), false)) do
  io.write(pandoc.json.encode(convert(fragment)), "\n")
  io.flush()
end
