document.title = "made session";
