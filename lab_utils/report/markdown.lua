-- Markdown to Typst and HTML, many fragments in one process, nothing of them trusted.
-- stdin:  JSON [{"text": markdown, "kind": "course" | "answer" | "inline"}, …]
-- stdout: JSON [{"typst": markup, "html": markup}, …]
--
-- Each fragment is read alone, so that an open code fence in one cannot swallow the next.
-- The reader has neither raw HTML, raw TeX nor attributes; what is left in the tree is still
-- rebuilt from a list of allowed elements, because both writers print raw elements, image
-- paths and `typst:` attributes as they stand.

local READER = "commonmark+pipe_tables+strikeout+tex_math_dollars-raw_html"

local function plain(attr_element)
  attr_element.attr = pandoc.Attr()
  return attr_element
end

-- A place to break for words that would run over the edge of a table's column.
local function breakable(text)
  return text:gsub("([%w][_/=.:,;|&?-])([%w])", "%1\u{200B}%2")
end

local allowed = {
  RawInline = function(raw) return pandoc.Code(raw.text) end,
  RawBlock = function(raw) return pandoc.CodeBlock(raw.text) end,
  Image = function(image) return image.caption end,
  Link = function(link)
    if not link.target:match("^https?://") then return link.content end
    return pandoc.Link(link.content, link.target)
  end,
  Code = plain,
  CodeBlock = plain,
  Span = function(span) return span.content end,
  Div = function(div) return div.content end,
  Table = function(tbl)
    for i, column in ipairs(tbl.colspecs) do tbl.colspecs[i] = { column[1], nil } end
    tbl = tbl:walk({ Str = function(str) return pandoc.Str(breakable(str.text)) end })
    return plain(tbl)
  end,
}

local headings = {
  -- The report's parts are level 1, so a notebook's own "##" stays level 2.
  course = function(header) return pandoc.Header(math.max(2, math.min(header.level, 5)), header.content) end,
  answer = function(header) return pandoc.Para({ pandoc.Strong(header.content) }) end,
}

local function convert(fragment)
  local doc = pandoc.read(fragment.text, READER):walk(allowed)
  doc = doc:walk({ Header = headings[fragment.kind] or headings.answer })
  return {
    typst = pandoc.write(doc, "typst"),
    html = pandoc.write(doc, "html-smart", { html_math_method = "mathml", wrap_text = "none" }),
  }
end

local results = pandoc.List(pandoc.json.decode(io.read("a"), false)):map(convert)
io.write(pandoc.json.encode(results))
